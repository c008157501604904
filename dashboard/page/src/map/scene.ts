import { clusterColour, coloursOf } from "../colours";
import type { Camera, Size } from "./camera";
import { crowding, type Points, radius } from "./points";

export type Rgba = readonly [number, number, number, number];

/** Points to draw, in pixels where sizes are meant. */
export interface Dots {
  length: number;
  /** `(n, 2)`: places of the map. */
  position: Float32Array;
  /** `(n, 4)`. */
  colour: Uint8Array;
  radius: Float32Array;
  /** A line around each point, in the colour of the surface. */
  stroked: boolean;
}

/** What is drawn, the lowest first. */
export interface Scene {
  surface: Rgba;
  all: Dots;
  shown: Dots;
  /** Around the point that is chosen. */
  ring: { x: number; y: number; radius: number; colour: Rgba } | null;
}

/** The width of the line around a point, and of the ring. */
export const LINE = 0.75;
export const RING = 2;
/** More points than these are drawn without a line around each. */
const FEW = 4000;

export function bytes(colour: string, alpha: number): Rgba {
  const part = (at: number) => Number.parseInt(colour.slice(at, at + 2), 16);
  return [part(1), part(3), part(5), alpha];
}

function dots(n: number, stroked: boolean): Dots {
  return {
    length: n,
    position: new Float32Array(2 * n),
    colour: new Uint8Array(4 * n),
    radius: new Float32Array(n),
    stroked,
  };
}

/** All points in grey, those of the reference stronger. */
export function backdrop(points: Points, isDark: boolean): Dots {
  const found = dots(points.length, false);
  const grey = isDark ? [140, 160, 175] : [80, 100, 115];
  found.radius.fill(1.5);
  for (let i = 0; i < points.length; i++) {
    found.position[2 * i] = points.x[i] as number;
    found.position[2 * i + 1] = points.y[i] as number;
    found.colour.set([...grey, points.reference[i] ? 120 : 50], 4 * i);
  }
  return found;
}

/** The points `shown` in the colours of their clusters, larger where they are rarer. */
export function foreground(points: Points, shown: Uint32Array, isDark: boolean): Dots {
  const colours = coloursOf(isDark);
  const found = dots(shown.length, shown.length < FEW);
  const scale = crowding(shown.length);
  shown.forEach((i, k) => {
    found.position[2 * k] = points.x[i] as number;
    found.position[2 * k + 1] = points.y[i] as number;
    found.colour.set(bytes(clusterColour(colours, points.cluster[i] as number), 215), 4 * k);
    found.radius[k] = radius(points.anomaly[i] as number) * scale;
  });
  return found;
}

/** The ring around a point; -1: none. */
export function ring(points: Points, place: number, isDark: boolean): Scene["ring"] {
  if (place < 0) return null;
  return {
    x: points.x[place] as number,
    y: points.y[place] as number,
    radius: radius(points.anomaly[place] as number) + 4,
    colour: bytes(coloursOf(isDark).accent, 255),
  };
}

/** Draws a scene as a camera sees it. `moves`: another picture follows at once. */
export interface Renderer {
  draw(scene: Scene, camera: Camera, size: Size, moves: boolean): void;
  end(): void;
}
