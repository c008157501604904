import { describe, expect, it } from "vitest";
import * as f from "./format";

const BERLIN = "Europe/Berlin";
const AT = Date.UTC(2026, 2, 2, 8, 11, 11, 123) * 1000 + 456;

describe("times", () => {
  it("are shown in the zone of the reader, or in UTC", () => {
    expect(f.clock(AT, "local", BERLIN)).toBe("09:11:11");
    expect(f.clock(AT, "utc", BERLIN)).toBe("08:11:11");
    expect(f.clock(Date.UTC(2026, 0, 1, 0, 0, 0) * 1000, "utc")).toBe("00:00:00");
  });

  it("follow summer time", () => {
    expect(f.clock(Date.UTC(2026, 6, 2, 8) * 1000, "local", BERLIN)).toBe("10:00:00");
  });

  it("name both days of a range that passes midnight", () => {
    const start = Date.UTC(2026, 2, 2, 22, 55) * 1000;
    expect(f.range(start, start + 600e6, "utc")).toBe("22:55–23:05");
    expect(f.range(start, start + 600e6, "local", BERLIN)).toBe("2 Mar 23:55 – 3 Mar 00:05");
  });

  it("keep microseconds from text to text", () => {
    expect(f.iso(AT)).toBe("2026-03-02T08:11:11.123456Z");
    for (const us of [0, 1, 999_999, 1_000_000, AT, AT + 1, -1, 4e15 + 7]) {
      expect(f.parseTime(f.iso(us))).toBe(us);
    }
  });

  it("may have an offset, and may be wrong", () => {
    expect(f.parseTime("2026-03-02T09:11:11.123456+01:00")).toBe(AT);
    expect(f.parseTime("yesterday")).toBeNull();
    expect(f.parseTime("")).toBeNull();
  });
});

describe("numbers", () => {
  it.each([
    [0.55, "0.55"],
    [1, "1.00"],
    [0, "0.00"],
    [0.0021, "0.0021"],
    [2.1e-6, "2.1×10⁻⁶"],
    [1.2e-41, "1.2×10⁻⁴¹"],
    [9.96e-4, "0.0010"],
    [null, "–"],
    [Number.NaN, "–"],
  ])("p-value %s", (value, text) => expect(f.pValue(value)).toBe(text));

  it.each([
    [0, "0"],
    [950, "950"],
    [999_600, "1.0M"],
    [7200, "7.2k"],
    [12_345, "12k"],
    [1_000_000, "1.0M"],
    [2.5, "2.5"],
  ])("short %s", (value, text) => expect(f.short(value)).toBe(text));

  it.each([
    [0, "0 %"],
    [0.006, "0.6 %"],
    [0.75, "75 %"],
    [1, "100 %"],
    [null, "–"],
  ])("percent %s", (value, text) => expect(f.percent(value)).toBe(text));

  it.each([
    [500_000, "500 ms"],
    [2e6, "2 s"],
    [240e6, "4 min"],
    [3 * 3600e6, "3 h"],
    [3 * 86400e6, "3 d"],
  ])("duration %s", (value, text) => expect(f.duration(value)).toBe(text));

  it("negative scores have a minus sign", () => expect(f.score(-1.234)).toBe("−1.23"));
  it("one is not many", () => {
    expect(f.plural(1, "event")).toBe("1 event");
    expect(f.plural(7200, "event")).toBe("7,200 events");
  });
});
