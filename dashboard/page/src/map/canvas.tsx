import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { coloursOf } from "../colours";
import { useSize } from "../data";
import { dark } from "../store";
import { Drawing } from "./drawing";
import { nearest, type Points, type Polygon } from "./points";
import { backdrop, bytes, foreground, ring } from "./scene";

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

/** A pointer that is farther from a point, in pixels, does not mean it. */
const REACH = 9;
const NOWHERE = { place: -1, x: 0, y: 0 };

/** The points: a drag moves the map, the wheel zooms, with the lasso a drag encloses. */
export function Canvas(props: CanvasProps) {
  const { ref, width, height } = useSize<HTMLDivElement>();
  const drawing = useRef<Drawing | null>(null);
  const { points, shown, chosen } = props;
  const ready = width > 0 && height > 0;
  const isDark = dark.value;

  useEffect(() => {
    if (!ready || !ref.current) return;
    const made = new Drawing(ref.current, points.bounds, { width, height });
    drawing.current = made;
    return () => {
      made.end();
      drawing.current = null;
    };
  }, [ready]);

  const all = useMemo(() => backdrop(points, isDark), [points, isDark]);
  const coloured = useMemo(() => foreground(points, shown, isDark), [points, shown, isDark]);
  useEffect(() => {
    const surface = bytes(coloursOf(isDark).surface, 255);
    drawing.current?.show({ surface, all, shown: coloured, ring: ring(points, chosen, isDark) });
  }, [ready, all, coloured, chosen]);
  useEffect(() => drawing.current?.resize({ width, height }), [width, height]);

  function under(event: MouseEvent): { place: number; x: number; y: number } {
    const box = ref.current?.getBoundingClientRect();
    if (!box || !drawing.current) return NOWHERE;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const there = drawing.current.at(x, y);
    return { place: nearest(points, shown, there.x, there.y, REACH * there.pixel), x, y };
  }

  const pressedAt = useRef({ x: 0, y: 0 });
  return (
    <div
      ref={ref}
      class="map-canvas"
      role="application"
      tabIndex={0}
      aria-label={`Map of ${points.length} scored rows; the arrow keys move it, plus and minus zoom`}
      onPointerMove={(event) => {
        const { place, x, y } = event.buttons ? NOWHERE : under(event);
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
            const places = polygon.map(([x, y]) => drawing.current?.at(x, y));
            props.enclose(places.flatMap((place) => (place ? [[place.x, place.y] as const] : [])));
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
