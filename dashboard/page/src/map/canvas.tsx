import { Deck, OrthographicView, type OrthographicViewState } from "@deck.gl/core";
import { ScatterplotLayer } from "@deck.gl/layers";
import { useEffect, useRef, useState } from "preact/hooks";
import { clusterColour, coloursOf } from "../colours";
import { useSize } from "../data";
import { dark } from "../store";
import { Notice } from "../widgets";
import { type Bounds, crowding, nearest, type Points, type Polygon, radius } from "./points";

export interface CanvasProps {
  points: Points;
  /** The points in colour. All others are grey. */
  shown: Uint32Array;
  chosen: number;
  lasso: boolean;
  hover: (place: number, at: { x: number; y: number }) => void;
  pick: (place: number) => void;
  enclose: (polygon: Polygon) => void;
}

function whole(bounds: Bounds, width: number, height: number): OrthographicViewState {
  const [left, bottom, right, top] = bounds;
  const scale = Math.min(width / Math.max(right - left, 1e-9), height / Math.max(top - bottom, 1e-9));
  return {
    target: [(left + right) / 2, (bottom + top) / 2, 0],
    zoom: Math.log2(scale * 0.9),
    minZoom: Math.log2(scale) - 2,
    maxZoom: Math.log2(scale) + 9,
  };
}

function bytes(colour: string, alpha: number): [number, number, number, number] {
  const part = (at: number) => Number.parseInt(colour.slice(at, at + 2), 16);
  return [part(1), part(3), part(5), alpha];
}

function backdrop(points: Points, isDark: boolean) {
  const position = new Float32Array(points.length * 2);
  const colour = new Uint8Array(points.length * 4);
  const grey = isDark ? [140, 160, 175] : [80, 100, 115];
  for (let i = 0; i < points.length; i++) {
    position[2 * i] = points.x[i] as number;
    position[2 * i + 1] = points.y[i] as number;
    colour.set([...grey, points.reference[i] ? 120 : 50], 4 * i);
  }
  return new ScatterplotLayer({
    id: "all",
    data: {
      length: points.length,
      attributes: {
        getPosition: { value: position, size: 2 },
        getFillColor: { value: colour, size: 4, normalized: true },
      },
    },
    getRadius: 1.5,
    radiusUnits: "pixels",
  });
}

function foreground(points: Points, shown: Uint32Array, isDark: boolean) {
  const colours = coloursOf(isDark);
  const n = shown.length;
  const position = new Float32Array(n * 2);
  const colour = new Uint8Array(n * 4);
  const size = new Float32Array(n);
  shown.forEach((i, k) => {
    position[2 * k] = points.x[i] as number;
    position[2 * k + 1] = points.y[i] as number;
    colour.set(bytes(clusterColour(colours, points.cluster[i] as number), 215), 4 * k);
    size[k] = radius(points.anomaly[i] as number);
  });
  return new ScatterplotLayer({
    id: "shown",
    data: {
      length: n,
      attributes: {
        getPosition: { value: position, size: 2 },
        getFillColor: { value: colour, size: 4, normalized: true },
        getRadius: { value: size, size: 1 },
      },
    },
    radiusUnits: "pixels",
    radiusScale: crowding(n),
    stroked: n < 4000,
    lineWidthUnits: "pixels",
    getLineWidth: 0.75,
    getLineColor: bytes(colours.surface, 255),
  });
}

function ring(points: Points, place: number, isDark: boolean) {
  return new ScatterplotLayer({
    id: "chosen",
    data: place < 0 ? [] : [place],
    getPosition: (i: number) => [points.x[i] as number, points.y[i] as number],
    getRadius: (i: number) => radius(points.anomaly[i] as number) + 4,
    radiusUnits: "pixels",
    filled: false,
    stroked: true,
    lineWidthUnits: "pixels",
    getLineWidth: 2,
    getLineColor: bytes(coloursOf(isDark).accent, 255),
  });
}

/** The points, drawn by WebGL: a drag moves the map, the wheel zooms, with the lasso a drag encloses. */
export function Canvas(props: CanvasProps) {
  const { ref, width, height } = useSize<HTMLDivElement>();
  const deck = useRef<Deck<OrthographicView> | null>(null);
  const last = useRef(props);
  last.current = props;
  const [failed, setFailed] = useState(false);
  const ready = width > 0 && height > 0;
  const isDark = dark.value;

  useEffect(() => {
    if (!ready || !ref.current) return;
    const made = new Deck({
      parent: ref.current,
      views: new OrthographicView({ flipY: false }),
      initialViewState: whole(last.current.points.bounds, width, height),
      controller: { inertia: false, doubleClickZoom: true, keyboard: true },
      pickingRadius: 0,
      useDevicePixels: true,
      // The layers smooth the edges of their points themselves.
      deviceProps: { type: "webgl", webgl: { antialias: false } },
      onError: () => setFailed(true),
      getCursor: ({ isDragging }) => (isDragging ? "grabbing" : "crosshair"),
    });
    deck.current = made;
    return () => {
      made.finalize();
      deck.current = null;
    };
  }, [ready]);

  const { points, shown, chosen } = props;
  useEffect(() => {
    const layers = [
      backdrop(points, isDark),
      foreground(points, shown, isDark),
      ring(points, chosen, isDark),
    ];
    deck.current?.setProps({ layers });
  }, [ready, points, shown, chosen, isDark]);

  function under(event: PointerEvent | MouseEvent): { place: number; x: number; y: number } {
    const box = ref.current?.getBoundingClientRect();
    const viewport = deck.current?.isInitialized ? deck.current.getViewports()[0] : undefined;
    if (!box || !viewport) return { place: -1, x: 0, y: 0 };
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const [x = 0, y = 0] = viewport.unproject([px, py]);
    const reach = 9 / 2 ** (viewport.zoom ?? 0);
    return { place: nearest(points, shown, x, y, reach), x: px, y: py };
  }

  const pressedAt = useRef({ x: 0, y: 0 });
  if (failed) {
    return (
      <Notice title="The map cannot be drawn" kind="warning">
        <p>The map needs WebGL 2, which this browser does not offer. All other views work.</p>
      </Notice>
    );
  }
  return (
    <div
      ref={ref}
      class="map-canvas"
      role="application"
      aria-label={`Map of ${points.length} scored rows; the arrow keys move it, plus and minus zoom`}
      onPointerMove={(event) => {
        const { place, x, y } = event.buttons ? { place: -1, x: 0, y: 0 } : under(event);
        props.hover(place, { x, y });
      }}
      onPointerLeave={() => props.hover(-1, { x: 0, y: 0 })}
      onPointerDown={(event) => {
        pressedAt.current = { x: event.clientX, y: event.clientY };
      }}
      onClick={(event) => {
        const moved = Math.hypot(event.clientX - pressedAt.current.x, event.clientY - pressedAt.current.y);
        const { place } = under(event);
        if (moved < 4 && place >= 0) props.pick(place);
      }}
    >
      {props.lasso ? (
        <Lasso
          done={(polygon) => {
            const viewport = deck.current?.getViewports()[0];
            if (viewport)
              props.enclose(polygon.map(([x, y]) => viewport.unproject([x, y]) as [number, number]));
          }}
        />
      ) : null}
    </div>
  );
}

function Lasso(props: { done: (polygon: Polygon) => void }) {
  const [line, setLine] = useState<[number, number][]>([]);
  const at = (event: PointerEvent): [number, number] => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  return (
    <svg
      class="lasso"
      aria-hidden="true"
      onPointerDown={(event) => {
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
        setLine([at(event)]);
      }}
      onPointerMove={(event) => {
        event.stopPropagation();
        const [x, y] = at(event);
        const [lx, ly] = line.at(-1) ?? [x, y];
        if (line.length && Math.hypot(x - lx, y - ly) > 3) setLine([...line, [x, y]]);
      }}
      onPointerUp={() => {
        if (line.length > 2) props.done(line);
        setLine([]);
      }}
      onPointerCancel={() => setLine([])}
    >
      {line.length > 1 ? <polygon points={line.map((point) => point.join()).join(" ")} /> : null}
    </svg>
  );
}
