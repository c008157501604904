/**
 * The scroll position of a list that may be higher than a browser allows an element to be (about 17 million
 * pixels in Firefox, 33 million in Chromium). `top` is the position in the list; the element is at most
 * `HIGHEST` pixels high. Small steps move the list by as many pixels; a jump of the scroll bar moves it in
 * proportion.
 */
export const HIGHEST = 8_000_000;

export interface Position {
  /** Of the element. */
  scrollTop: number;
  /** Of the list, in pixels. */
  top: number;
}

export interface Extent {
  rows: number;
  rowHeight: number;
  viewport: number;
}

const clamp = (value: number, highest: number) => Math.min(Math.max(value, 0), Math.max(highest, 0));

export function height(extent: Extent): number {
  return Math.min(extent.rows * extent.rowHeight, HIGHEST);
}

function ends(extent: Extent): { element: number; list: number } {
  return {
    element: Math.max(height(extent) - extent.viewport, 0),
    list: Math.max(extent.rows * extent.rowHeight - extent.viewport, 0),
  };
}

/** Where the list is after the element was scrolled to `scrollTop`. */
export function scrolled(from: Position, scrollTop: number, extent: Extent): Position {
  const end = ends(extent);
  if (end.element === end.list) return { scrollTop, top: clamp(scrollTop, end.list) };
  if (scrollTop <= 0) return { scrollTop: 0, top: 0 };
  if (scrollTop >= end.element - 1) return { scrollTop, top: end.list };
  const step = scrollTop - from.scrollTop;
  if (Math.abs(step) <= extent.viewport) return { scrollTop, top: clamp(from.top + step, end.list) };
  return { scrollTop, top: clamp((scrollTop / end.element) * end.list, end.list) };
}

/** Where the element has to be so that the list is at `top`. */
export function placed(top: number, extent: Extent): Position {
  const end = ends(extent);
  const at = clamp(top, end.list);
  return { scrollTop: end.list ? (at / end.list) * end.element : 0, top: at };
}

/** The first row and the row after the last one to draw, with some more on both sides. */
export function drawn(top: number, extent: Extent, more = 6): { first: number; end: number } {
  const first = Math.floor(top / extent.rowHeight);
  const shown = Math.ceil(extent.viewport / extent.rowHeight) + 1;
  return { first: Math.max(first - more, 0), end: Math.min(first + shown + more, extent.rows) };
}

/** The position with which `row` is in view, as near to `top` as possible. */
export function revealed(row: number, top: number, extent: Extent): number {
  const [from, to] = [row * extent.rowHeight, (row + 1) * extent.rowHeight];
  if (from < top) return from;
  return to > top + extent.viewport ? to - extent.viewport : top;
}
