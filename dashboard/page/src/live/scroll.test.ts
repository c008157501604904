import { describe, expect, it } from "vitest";
import { drawn, HIGHEST, height, type Position, placed, revealed, scrolled } from "./scroll";

const SMALL = { rows: 1000, rowHeight: 30, viewport: 600 };
const LARGE = { rows: 1_000_000, rowHeight: 30, viewport: 600 };

describe("a list that fits", () => {
  it("is where the element is", () => {
    expect(height(SMALL)).toBe(30_000);
    expect(scrolled({ scrollTop: 0, top: 0 }, 1234, SMALL)).toEqual({ scrollTop: 1234, top: 1234 });
    expect(placed(1234, SMALL)).toEqual({ scrollTop: 1234, top: 1234 });
  });
});

describe("a list that is higher than an element may be", () => {
  const end = LARGE.rows * LARGE.rowHeight - LARGE.viewport;

  it("has an element of bounded height", () => expect(height(LARGE)).toBe(HIGHEST));

  it("moves by pixels at small steps", () => {
    let at: Position = { scrollTop: 4_000_000, top: 15_000_000 };
    for (const step of [100, 100, -40, 600]) {
      const next = scrolled(at, at.scrollTop + step, LARGE);
      expect(next.top - at.top).toBe(step);
      at = next;
    }
  });

  it("reaches each row by a jump, and both ends", () => {
    const from = { scrollTop: 0, top: 0 };
    expect(scrolled(from, HIGHEST - LARGE.viewport, LARGE).top).toBe(end);
    expect(scrolled({ scrollTop: 50, top: 700 }, 0, LARGE).top).toBe(0);
    const middle = scrolled(from, (HIGHEST - LARGE.viewport) / 2, LARGE);
    expect(middle.top).toBeCloseTo(end / 2, -1);
  });

  it("is placed where it was", () => {
    for (const top of [0, 30, 12_345_678, end]) {
      const at = placed(top, LARGE);
      expect(at.top).toBe(top);
      expect(at.scrollTop).toBeLessThanOrEqual(HIGHEST - LARGE.viewport);
      const again = scrolled({ scrollTop: -1e9, top: 0 }, at.scrollTop, LARGE);
      expect(Math.abs(again.top - top)).toBeLessThan(40);
    }
  });
});

it("what is drawn covers the view", () => {
  for (const top of [0, 15, 29, 30, 29_400]) {
    const { first, end } = drawn(top, SMALL);
    expect(first * 30).toBeLessThanOrEqual(top);
    expect(end).toBeGreaterThanOrEqual(Math.min(Math.ceil((top + 600) / 30), 1000));
    expect(end - first).toBeLessThan(40);
  }
  expect(drawn(0, { ...SMALL, rows: 0 })).toEqual({ first: 0, end: 0 });
});

it("a row comes into view with the least movement", () => {
  expect(revealed(5, 0, SMALL)).toBe(0);
  expect(revealed(20, 0, SMALL)).toBe(30);
  expect(revealed(5, 600, SMALL)).toBe(150);
});
