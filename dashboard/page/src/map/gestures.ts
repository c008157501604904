import { type Camera, type Limits, moved, type Pixel, type Size, zoomed } from "./camera";

/** What a gesture changes. */
export interface Target {
  size: () => Size;
  limits: () => Limits;
  camera: () => Camera;
  /** `rests`: the gesture is over, or may be. */
  look: (camera: Camera, rests: boolean) => void;
}

/** The pixels of a press of an arrow key, and the factor of a step of the zoom by keyboard or double click. */
const STEP = 80;
const ZOOM = 2 ** 0.5;
/** The wheel rests for so long before a gesture is over. */
const REST_MS = 200;

const ARROWS: Record<string, Pixel> = {
  ArrowLeft: [STEP, 0],
  ArrowRight: [-STEP, 0],
  ArrowUp: [0, STEP],
  ArrowDown: [0, -STEP],
};
const ZOOMS: Record<string, number> = { "+": ZOOM, "=": ZOOM, "-": 1 / ZOOM, _: 1 / ZOOM };

/**
 * A drag moves the map, two fingers and the wheel zoom, a double click zooms in (with Shift out), the arrow keys
 * and + and - do the same. Returns what stops it.
 */
export function listen(element: HTMLElement, target: Target): () => void {
  const fingers = new Map<number, Pixel>();
  let timer = 0;

  const at = (event: MouseEvent): Pixel => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const zoom = (where: Pixel, factor: number, rests: boolean) =>
    target.look(zoomed(target.camera(), target.size(), where, factor, target.limits()), rests);

  const pressed = (event: PointerEvent) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
  };
  const dragged = (event: PointerEvent) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (other) {
      const apart = (one: Pixel) => Math.max(Math.hypot(one[0] - other[0], one[1] - other[1]), 1);
      const middle: Pixel = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
      target.look(moved(target.camera(), (now[0] - before[0]) / 2, (now[1] - before[1]) / 2), false);
      zoom(middle, apart(now) / apart(before), false);
    } else {
      element.classList.add("dragged");
      target.look(moved(target.camera(), now[0] - before[0], now[1] - before[1]), false);
    }
  };
  const released = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId) || fingers.size) return;
    element.classList.remove("dragged");
    target.look(target.camera(), true);
  };
  const wheeled = (event: WheelEvent) => {
    event.preventDefault();
    // The wheel counts pixels, lines or pages; two fingers on a touchpad come as a wheel with Ctrl.
    const unit = event.deltaMode === 1 ? 0.05 : event.deltaMode ? 1 : 0.002;
    zoom(at(event), 2 ** (-event.deltaY * unit * (event.ctrlKey ? 10 : 1)), false);
    clearTimeout(timer);
    timer = window.setTimeout(() => target.look(target.camera(), true), REST_MS);
  };
  const doubled = (event: MouseEvent) => zoom(at(event), event.shiftKey ? 0.5 : 2, true);
  const typed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { width, height } = target.size();
    const [arrow, factor] = [ARROWS[event.key], ZOOMS[event.key]];
    if (arrow) target.look(moved(target.camera(), arrow[0], arrow[1]), true);
    else if (factor) zoom([width / 2, height / 2], factor, true);
    else return;
    event.preventDefault();
  };

  const end = new AbortController();
  const { signal } = end;
  element.addEventListener("pointerdown", pressed, { signal });
  element.addEventListener("pointermove", dragged, { signal });
  element.addEventListener("pointerup", released, { signal });
  element.addEventListener("pointercancel", released, { signal });
  element.addEventListener("wheel", wheeled, { signal, passive: false });
  element.addEventListener("dblclick", doubled, { signal });
  element.addEventListener("keydown", typed, { signal });
  return () => {
    clearTimeout(timer);
    end.abort();
  };
}
