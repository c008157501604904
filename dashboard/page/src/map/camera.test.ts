import { expect, it } from "vitest";
import { type Camera, limitsOf, moved, type Pixel, placeAt, type Size, whole, zoomed } from "./camera";

const SIZE: Size = { width: 800, height: 500 };
const ANY = { least: 0, most: Infinity };
const CAMERAS: Camera[] = [
  { x: 0, y: 0, scale: 1 },
  { x: -3.5, y: 12, scale: 40 },
  { x: 1e-3, y: -1e-3, scale: 1e5 },
];
const PIXELS: Pixel[] = [
  [0, 0],
  [400, 250],
  [799, 3],
  [120.5, 470.25],
];
const close = (one: readonly number[], other: readonly number[], camera: Camera) => {
  expect(
    Math.hypot((one[0] ?? 0) - (other[0] ?? 0), (one[1] ?? 0) - (other[1] ?? 0)) * camera.scale,
  ).toBeLessThan(1e-6);
};

it("a drag takes the place under the pointer with it", () => {
  for (const camera of CAMERAS) {
    for (const [px, py] of PIXELS) {
      const before = placeAt(camera, SIZE, [px, py]);
      close(placeAt(moved(camera, 37, -91), SIZE, [px + 37, py - 91]), before, camera);
    }
  }
});

it("a zoom leaves the place under the pointer where it is", () => {
  for (const camera of CAMERAS) {
    for (const pixel of PIXELS) {
      for (const factor of [0.3, 1, 7]) {
        const after = zoomed(camera, SIZE, pixel, factor, ANY);
        expect(after.scale).toBeCloseTo(camera.scale * factor, 6);
        close(placeAt(after, SIZE, pixel), placeAt(camera, SIZE, pixel), camera);
      }
    }
  }
});

it("a zoom ends at the limits, and a place under the pointer stays there, too", () => {
  const all = whole([0, 0, 10, 10], SIZE);
  const limits = limitsOf(all);
  for (const factor of [1e-9, 1e9]) {
    const after = zoomed(all, SIZE, [100, 100], factor, limits);
    expect([limits.least, limits.most]).toContain(after.scale);
    close(placeAt(after, SIZE, [100, 100]), placeAt(all, SIZE, [100, 100]), all);
  }
});

it("the whole map is in view, with up as up", () => {
  for (const bounds of [
    [-2, 5, 30, 6],
    [0, 0, 1, 900],
    [3, 3, 3, 3],
  ] as const) {
    const camera = whole(bounds, SIZE);
    const [left, top] = placeAt(camera, SIZE, [0, 0]);
    const [right, bottom] = placeAt(camera, SIZE, [SIZE.width, SIZE.height]);
    expect(left).toBeLessThan(bounds[0]);
    expect(bottom).toBeLessThan(bounds[1]);
    expect(right).toBeGreaterThan(bounds[2]);
    expect(top).toBeGreaterThan(bounds[3]);
  }
});
