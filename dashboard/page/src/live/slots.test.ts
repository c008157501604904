import { expect, it } from "vitest";
import { Slots } from "./slots";

const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `row ${from + i}`);

it("each row has its own number, and keeps it while it is in view", () => {
  const slots = new Slots();
  let before = new Map<string, number>();
  for (const [from, to] of [
    [0, 20],
    [3, 23],
    [2, 22],
    [100, 130],
    [110, 115],
    [0, 20],
    [0, 0],
    [5, 9],
  ] as const) {
    const shown = names(from, to);
    const found = slots.for(shown);
    expect(new Set(found).size).toBe(shown.length);
    const now = new Map(shown.map((name, i) => [name, found[i] as number]));
    for (const [name, slot] of now) {
      if (before.has(name)) expect(slot).toBe(before.get(name));
    }
    before = now;
  }
});

it("rows that come take the numbers of those that left, in their order", () => {
  const slots = new Slots();
  const first = slots.for(names(0, 10));
  expect(slots.for(names(50, 60))).toEqual(first);
  expect(new Set(slots.for(names(55, 65)))).toEqual(new Set(first));
});
