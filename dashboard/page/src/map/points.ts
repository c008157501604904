import { tableFromIPC } from "@uwdata/flechette";

/** The points of a map, a typed array for each field. */
export interface Points {
  length: number;
  row: Float64Array;
  x: Float32Array;
  y: Float32Array;
  cluster: Int32Array;
  /** NaN where there is none. */
  anomaly: Float32Array;
  score: Float32Array;
  ts: Float64Array;
  window: Float64Array;
  reference: Uint8Array;
  bounds: Bounds;
  method: string;
  total: number;
}

export type Bounds = readonly [number, number, number, number];

/** Reads the Arrow IPC stream of the server. */
export function decode(bytes: Uint8Array): Points {
  const table = tableFromIPC(bytes, { useBigInt: false });
  const n = table.numRows;
  const column = (name: string): Iterable<unknown> => table.getChild(name).toArray() as Iterable<unknown>;
  const numbers = <A extends Float64Array | Float32Array | Int32Array | Uint8Array>(
    name: string,
    to: A,
  ): A => {
    let i = 0;
    for (const value of column(name)) {
      to[i++] = value === null ? Number.NaN : Number(value);
    }
    return to;
  };
  const said = table.schema.metadata ?? new Map<string, string>();
  const x = numbers("x", new Float32Array(n));
  const y = numbers("y", new Float32Array(n));
  return {
    length: n,
    row: numbers("row", new Float64Array(n)),
    x,
    y,
    cluster: numbers("cluster", new Int32Array(n)),
    anomaly: numbers("anomaly", new Float32Array(n)),
    score: numbers("score", new Float32Array(n)),
    ts: numbers("ts", new Float64Array(n)),
    window: numbers("window_start", new Float64Array(n)),
    reference: numbers("reference", new Uint8Array(n)),
    bounds: boundsOf(said.get("bounds"), x, y),
    method: said.get("method") ?? "",
    total: Number(said.get("total") ?? n),
  };
}

function boundsOf(text: string | undefined, x: Float32Array, y: Float32Array): Bounds {
  const given: unknown = text ? JSON.parse(text) : null;
  if (Array.isArray(given) && given.length === 4 && given.every(Number.isFinite))
    return given as never as Bounds;
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    left = Math.min(left, x[i] ?? 0);
    right = Math.max(right, x[i] ?? 0);
    bottom = Math.min(bottom, y[i] ?? 0);
    top = Math.max(top, y[i] ?? 0);
  }
  return Number.isFinite(left) ? [left, bottom, right, top] : [-1, -1, 1, 1];
}

/** The windows, oldest first, with the places of their points. */
export function byWindow(points: Points): { start: number; places: Uint32Array }[] {
  const found = new Map<number, number[]>();
  for (let i = 0; i < points.length; i++) {
    const start = points.window[i] as number;
    const places = found.get(start);
    if (places) places.push(i);
    else found.set(start, [i]);
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([start, places]) => ({ start, places: Uint32Array.from(places) }));
}

/** What the radius of each of `n` points is multiplied with, so that many points do not cover each other. */
export function crowding(n: number): number {
  return Math.min(Math.max(Math.sqrt(4000 / Math.max(n, 1)), 0.4), 1);
}

/** The radius of a point in pixels: the area grows with the anomaly. */
export function radius(anomaly: number): number {
  return Number.isNaN(anomaly) ? 3 : 2.6 + 2.4 * Math.sqrt(Math.min(Math.max(anomaly, 0), 9));
}

/** The point among `places` that is nearest to (x, y), if it is within `reach`; else -1. */
export function nearest(points: Points, places: Uint32Array, x: number, y: number, reach: number): number {
  let [best, least] = [-1, reach * reach];
  for (const i of places) {
    const [dx, dy] = [(points.x[i] as number) - x, (points.y[i] as number) - y];
    const square = dx * dx + dy * dy;
    if (square <= least) [best, least] = [i, square];
  }
  return best;
}

export type Polygon = readonly (readonly [number, number])[];

/** Whether (x, y) is inside the polygon, by the even-odd rule. */
export function inside(polygon: Polygon, x: number, y: number): boolean {
  let within = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i] as readonly [number, number];
    const [bx, by] = polygon[j] as readonly [number, number];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

/** The places that the polygon encloses. */
export function enclosed(points: Points, places: Iterable<number>, polygon: Polygon): number[] {
  const out: number[] = [];
  for (const i of places) {
    if (inside(polygon, points.x[i] as number, points.y[i] as number)) out.push(i);
  }
  return out;
}
