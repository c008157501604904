import { expect, it } from "vitest";
import { type Picture, packed, Raster } from "./raster";
import type { Dots, Rgba } from "./scene";

const WHITE: Rgba = [255, 255, 255, 255];

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function dots(n: number, spread: number, stroked = false, seed = 1): Dots {
  const next = random(seed);
  const found: Dots = {
    length: n,
    position: Float32Array.from({ length: 2 * n }, () => (next() - 0.5) * spread),
    colour: Uint8Array.from({ length: 4 * n }, () => Math.floor(next() * 256)),
    radius: Float32Array.from({ length: n }, () => 1 + 6 * next()),
    stroked,
  };
  return found;
}

/** The middle of the map is the middle of the picture. */
function drawn(some: Dots, width: number, height: number, ratio = 1): Picture {
  const picture = { width, height, pixels: new Int32Array(width * height).fill(packed(WHITE)) };
  const size = { width: width / ratio, height: height / ratio };
  new Raster().draw(picture, some, WHITE, { x: 0, y: 0, scale: 1 }, size, ratio);
  return picture;
}

function channels(pixel: number): number[] {
  return [pixel & 255, (pixel >>> 8) & 255, (pixel >>> 16) & 255, pixel >>> 24];
}

/** The same by the formula of deck.gl's shader, pixel by pixel, without stamps. */
function simple(some: Dots, width: number, height: number): number[][] {
  const smooth = (edge: number, at: number) => {
    const share = Math.min(Math.max(at - edge + 0.5, 0), 1);
    return share * share * (3 - 2 * share);
  };
  const found = Array.from({ length: width * height }, () => [255, 255, 255]);
  for (let i = 0; i < some.length; i++) {
    const x = width / 2 + (some.position[2 * i] as number);
    const y = height / 2 - (some.position[2 * i + 1] as number);
    const radius = some.radius[i] as number;
    const line = some.stroked ? 0.75 : 0;
    found.forEach((pixel, at) => {
      const distance = Math.hypot((at % width) + 0.5 - x, Math.floor(at / width) + 0.5 - y);
      const edge = line ? smooth(radius - line / 2, distance) : 0;
      const alpha = ((some.colour[4 * i + 3] as number) / 255) * (1 - edge) + edge;
      const part = alpha * (1 - smooth(radius + line / 2, distance));
      for (let c = 0; c < 3; c++) {
        const colour = (some.colour[4 * i + c] as number) * (1 - edge) + 255 * edge;
        pixel[c] = (pixel[c] as number) * (1 - part) + colour * part;
      }
    });
  }
  return found;
}

it.each([false, true])("points look as the formula says, stroked: %s", (stroked) => {
  const some = dots(40, 60, stroked);
  const picture = drawn(some, 80, 70);
  const wanted = simple(some, 80, 70);
  const off = [...picture.pixels].flatMap((pixel, at) =>
    channels(pixel)
      .slice(0, 3)
      .map((value, c) => Math.abs(value - (wanted[at]?.[c] as number))),
  );
  // The middle of a point is rounded to a quarter of a pixel.
  expect(off.reduce((sum, one) => sum + one, 0) / off.length).toBeLessThan(1.05);
  expect(Math.max(...off)).toBeLessThan(90);
  expect(picture.pixels.every((pixel) => channels(pixel)[3] === 255)).toBe(true);
});

it.each([false, true])(
  "a picture is the middle of a larger one: nothing comes in from its edges (stroked: %s)",
  (stroked) => {
    const some = dots(300, 120, stroked, 7);
    const [small, large] = [drawn(some, 60, 40), drawn(some, 120, 100)];
    for (let y = 0; y < 40; y++) {
      const row = large.pixels.slice((y + 30) * 120 + 30, (y + 30) * 120 + 90);
      expect(small.pixels.slice(y * 60, y * 60 + 60)).toEqual(row);
    }
  },
);

it("with more pixels, points are as large beside each other", () => {
  const one = { ...dots(1, 0), radius: Float32Array.of(10), colour: Uint8Array.of(0, 0, 0, 255) };
  const dark = (picture: Picture) =>
    [...picture.pixels].reduce((sum, pixel) => sum + 1 - (pixel & 255) / 255, 0);
  expect(dark(drawn(one, 40, 40)) / (Math.PI * 100)).toBeCloseTo(1, 1);
  expect(dark(drawn(one, 80, 80, 2)) / (Math.PI * 400)).toBeCloseTo(1, 1);
});

it("with more pixels, points are at the same places of the picture", () => {
  const some = { ...dots(1, 0), position: Float32Array.of(12, -7), radius: Float32Array.of(3) };
  for (const ratio of [1, 2, 3]) {
    const { pixels, width } = drawn(some, 60 * ratio, 40 * ratio, ratio);
    const there = [...pixels.keys()].filter((at) => pixels[at] !== packed(WHITE));
    const mean = (of: (at: number) => number) =>
      there.reduce((sum, at) => sum + of(at), 0) / there.length / ratio;
    expect(Math.abs(mean((at) => (at % width) + 0.5) - 42)).toBeLessThan(0.5);
    expect(Math.abs(mean((at) => Math.floor(at / width) + 0.5) - 27)).toBeLessThan(0.5);
  }
});

it("a point without a place is not drawn", () => {
  const one = { ...dots(1, 0), position: Float32Array.of(Number.NaN, 0) };
  expect(new Set(drawn(one, 9, 9).pixels)).toEqual(new Set([packed(WHITE)]));
});
