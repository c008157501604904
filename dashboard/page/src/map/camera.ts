import type { Bounds } from "./points";

/** What part of the map is in view: its middle, and the pixels of one unit of the map. */
export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The camera that shows everything. */
export function whole(bounds: Bounds, size: Size): Camera {
  const [left, bottom, right, top] = bounds;
  const wide = size.width / Math.max(right - left, 1e-9);
  const high = size.height / Math.max(top - bottom, 1e-9);
  return { x: (left + right) / 2, y: (bottom + top) / 2, scale: 0.9 * Math.min(wide, high) };
}

/** The camera after a drag by so many pixels to the right and down. */
export function moved(camera: Camera, right: number, down: number): Camera {
  return { ...camera, x: camera.x - right / camera.scale, y: camera.y + down / camera.scale };
}

/** The camera with another scale, within the limits, that shows the same place of the map at the pixel `at`. */
export function zoomed(camera: Camera, size: Size, at: Pixel, factor: number, limits: Limits): Camera {
  const scale = Math.min(Math.max(camera.scale * factor, limits.least), limits.most);
  const [x, y] = placeAt(camera, size, at);
  const [right, down] = [at[0] - size.width / 2, at[1] - size.height / 2];
  return { x: x - right / scale, y: y + down / scale, scale };
}

export interface Limits {
  least: number;
  most: number;
}

/** How far one can zoom, from the camera that shows everything. */
export function limitsOf(all: Camera): Limits {
  return { least: all.scale / 4, most: all.scale * 512 };
}

/** A place in an element, in pixels from its top left corner. */
export type Pixel = readonly [number, number];

/** The place of the map that is shown at a pixel. */
export function placeAt(camera: Camera, size: Size, [px, py]: Pixel): [number, number] {
  return [camera.x + (px - size.width / 2) / camera.scale, camera.y - (py - size.height / 2) / camera.scale];
}
