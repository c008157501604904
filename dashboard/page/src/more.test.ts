import { expect, it } from "vitest";
import { merged, pause } from "./live_state";
import { brushed, ticks } from "./shell/scale";
import { stack } from "./time/stack";
import { trend } from "./time/trend";
import type { State } from "./types";

it("an update changes what it names and nothing else", () => {
  const before = { generation: 1, rows: 5, keys: [{ key: "a", rows: 5 }], version: "1" } as never as State;
  const after = merged(before, { generation: 2, watermark: 7 });
  expect(after).toEqual({ ...before, generation: 2, watermark: 7 });
  expect(before.generation).toBe(1);
});

it("the pause between two tries grows to five seconds", () => {
  const pauses = [1, 2, 3, 4, 5, 50].map(pause);
  expect(pauses).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
});

it("ticks are round times of the zone, and not too many", () => {
  const hour = 3600e6;
  const start = Date.UTC(2026, 2, 2, 5, 58) * 1000;
  for (const offset of [0, hour, 5.5 * hour]) {
    const found = ticks(start, start + 4 * hour, 12, offset);
    expect(found.length).toBeGreaterThan(4);
    expect(found.length).toBeLessThanOrEqual(13);
    for (const at of found) expect((at + offset) % (hour / 2)).toBe(0);
  }
  expect(ticks(5, 5, 10)).toEqual([]);
});

it("a brush takes whole buckets in either direction", () => {
  expect(brushed(0.2, 0.4, 0, 10, 10)).toEqual({ from: 20, to: 40 });
  expect(brushed(0.41, 0.22, 0, 10, 10)).toEqual({ from: 20, to: 50 });
  expect(brushed(-1, 2, 0, 10, 10)).toEqual({ from: 0, to: 100 });
});

it("a stack ends at the sum of all series", () => {
  const series = [
    [1, 2, null],
    [3, 4, 5],
    [0, 1, 2],
  ];
  expect(stack(series)[0]).toEqual([4, 7, 7]);
  expect(stack(series)[2]).toEqual([0, 1, 2]);
});

it.each([
  [[0, 0, 0, 0.1, 0.2, 0.3], "new"],
  [[0.3, 0.3, 0.1, 0.05, 0, 0], "gone"],
  [[0.1, 0.1, 0.2, 0.2, 0.3, 0.3], "growing"],
  [[0.4, 0.4, 0.3, 0.3, 0.2, 0.2], "fading"],
  [[0.2, 0.21, 0.2, 0.19, 0.2, 0.2], "steady"],
] as const)("the trend of %j is %s", (share, name) => expect(trend([...share])).toBe(name));
