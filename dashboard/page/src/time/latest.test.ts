import { expect, it } from "vitest";
import { latest } from "./latest";

it("finds the last value that is known", () => {
  expect(latest([1, null, 0, null])).toBe(0);
  expect(latest([null])).toBeNull();
  expect(latest([])).toBeNull();
});
