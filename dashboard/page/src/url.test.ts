import { describe, expect, it } from "vitest";
import { filterOf, format, isFiltered, parse, START } from "./url";

describe("an address", () => {
  it("of the start is empty", () => {
    expect(format(START)).toBe("");
    expect(parse("")).toEqual(START);
  });

  it("keeps the whole view", () => {
    const route = {
      ...START,
      view: "map" as const,
      key: "db 1&2",
      from: 1772438744853001,
      to: 1772438744853002,
      text: "50 % off?#",
      cluster: -1,
      incident: "29886105a99cba9c",
      window: 1772438700000000,
      selection: "s1",
      revisions: "all" as const,
      sort: "p_value" as const,
      order: "asc" as const,
      event: { key: "", id: "a/b?c" },
      open: "x",
      kind: "drift" as const,
      state: "open" as const,
      mark: "none" as const,
    };
    expect(parse(format(route))).toEqual(route);
  });

  it("with parts that cannot be read leaves these out", () => {
    expect(parse("?view=nothing&sort=__proto__&order=up&from=soon&cluster=1e9&kind=&mark=maybe")).toEqual(
      START,
    );
  });

  it("does not name the theme", () => {
    expect(format({ ...START, theme: "dark" } as typeof START)).toBe("");
  });
});

it("filters are sent as the server reads them", () => {
  const route = { ...START, from: 5, cluster: 0, text: "a" };
  expect(filterOf(route)).toEqual({ from: "5", cluster: "0", text: "a" });
  expect(filterOf(route, ["from"])).toEqual({ cluster: "0", text: "a" });
  expect(isFiltered(route)).toBe(true);
  expect(isFiltered(START)).toBe(false);
});
