import { expect, it } from "vitest";
import { byWindow, crowding, enclosed, inside, nearest, type Points, type Polygon, radius } from "./points";

function points(places: [number, number][], window: number[] = []): Points {
  const n = places.length;
  return {
    length: n,
    x: Float32Array.from(places, ([x]) => x),
    y: Float32Array.from(places, ([, y]) => y),
    window: Float64Array.from({ length: n }, (_, i) => window[i] ?? 0),
  } as Points;
}

const SQUARE: Polygon = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
];

it("a square encloses what is between its sides", () => {
  for (let x = -5; x < 15; x += 0.7) {
    for (let y = -5; y < 15; y += 0.7) {
      expect(inside(SQUARE, x, y)).toBe(x > 0 && x < 10 && y > 0 && y < 10);
    }
  }
});

it("a bay of a lasso is outside", () => {
  const horseshoe: Polygon = [
    [0, 0],
    [10, 0],
    [10, 10],
    [7, 10],
    [7, 3],
    [3, 3],
    [3, 10],
    [0, 10],
  ];
  expect(inside(horseshoe, 5, 8)).toBe(false);
  expect(inside(horseshoe, 1, 8)).toBe(true);
  expect(inside(horseshoe, 9, 8)).toBe(true);
  expect(inside(horseshoe, 5, 1)).toBe(true);
});

it("the direction of the lasso does not matter", () => {
  const cloud = points(Array.from({ length: 200 }, (_, i) => [(i * 7.3) % 17, (i * 3.9) % 13]));
  const all = Array.from({ length: 200 }, (_, i) => i);
  const there = enclosed(cloud, all, SQUARE);
  expect(there.length).toBeGreaterThan(20);
  expect(enclosed(cloud, all, [...SQUARE].reverse())).toEqual(there);
});

it("the nearest point is the one of a search through all", () => {
  const cloud = points(Array.from({ length: 300 }, (_, i) => [(i * 7.31) % 17, (i * 3.97) % 13]));
  const all = Uint32Array.from({ length: 300 }, (_, i) => i);
  const found = nearest(cloud, all, 5, 5, 100);
  const distance = (i: number) => Math.hypot((cloud.x[i] ?? 0) - 5, (cloud.y[i] ?? 0) - 5);
  expect(distance(found)).toBe(Math.min(...Array.from(all, distance)));
  expect(nearest(cloud, all, 50, 50, 1)).toBe(-1);
});

it("each point is in the list of its window, and windows are in order", () => {
  const cloud = points(
    [
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 3],
    ],
    [60, 0, 60, 30],
  );
  expect(byWindow(cloud).map((one) => [one.start, [...one.places]])).toEqual([
    [0, [1]],
    [30, [3]],
    [60, [0, 2]],
  ]);
});

it("points grow with the anomaly, within bounds", () => {
  const sizes = [0, 1, 2, 4, 9].map(radius);
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  expect(radius(1000)).toBe(radius(9));
  expect(radius(Number.NaN)).toBeGreaterThan(0);
});

it("points of a crowd are smaller, and never too small to see", () => {
  expect([0, 100, 4000].map(crowding)).toEqual([1, 1, 1]);
  expect(crowding(16_000)).toBe(0.5);
  expect(crowding(1e9)).toBe(0.4);
});
