import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Budget } from "../types";

vi.mock("./chart", () => ({ Chart: () => null }));
vi.stubGlobal("location", { search: "", pathname: "/" });
vi.stubGlobal("addEventListener", () => {});
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {} }));

const { ruled, sentence } = await import("./budget");
const { route } = await import("../store");

const budget = (more: Partial<Budget>): Budget => ({ per_day: 20, of: "stream", realised: [0, 3], ...more });

describe("the budget", () => {
  beforeEach(() => {
    route.value = { ...route.value, key: null };
  });

  it("says what counts, and whose budget it is", () => {
    expect(sentence(budget({}), null)).toBe("3 new incidents in the last 24 hours, of 20");
    expect(sentence(budget({}), "a")).toBe(
      "3 new incidents in the last 24 hours, of 20 for all keys together",
    );
    expect(sentence(budget({ of: "key" }), null)).toContain("each key has a budget of 20: choose a key");
    expect(sentence(budget({ of: "key" }), "a")).toContain("of 20 that the key may have");
    expect(sentence(budget({ per_day: null }), null)).toContain("there is no budget");
    expect(sentence(budget({ realised: [1] }), null)).toContain("1 new incident in");
  });

  it("has no line where the chart counts all keys, and each has a budget", () => {
    expect(ruled(budget({}))).toBe(20);
    expect(ruled(budget({ of: "key" }))).toBeNull();
    route.value = { ...route.value, key: "a" };
    expect(ruled(budget({ of: "key" }))).toBe(20);
    expect(ruled(budget({ per_day: null }))).toBeNull();
  });
});
