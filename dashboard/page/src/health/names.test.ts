import { expect, it } from "vitest";
import { bytes, labelsOf, nameOf, rateOf, shownValue, wholeName } from "./names";

const metric = (
  name: string,
  value: number | null,
  unit: string | null = null,
  rate: number | null = null,
) => ({
  name,
  value,
  unit,
  rate,
});

it("a metric is named in words, its unit stands beside the value", () => {
  expect(nameOf({ name: "driftline_embed_batch_seconds_count" })).toBe("embed batch");
  expect(nameOf({ name: "driftline_watermark_timestamp_seconds" })).toBe("watermark");
  expect(nameOf({ name: "nv_inference_request_success" })).toBe("inference request success");
});

it("values have their unit, counts of observations have none", () => {
  expect(shownValue(metric("driftline_state_bytes", 1_234_567, "B"))).toBe("1.2 MB");
  expect(shownValue(metric("driftline_lag_seconds", 240, "s"))).toBe("4 min");
  expect(shownValue(metric("driftline_embed_seconds_count", 7200, "s"))).toBe("7,200");
  expect(shownValue(metric("driftline_records_total", 7200))).toBe("7,200");
  expect(shownValue(metric("driftline_ratio", 0.25))).toBe("0.250");
  expect(shownValue(metric("driftline_ratio", null))).toBe("–");
});

it("bytes go up in thousands", () => {
  expect([0, 999, 1000, 99_500, 1e12, 5e15].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 KB",
    "100 KB",
    "1.0 TB",
    "5000 TB",
  ]);
});

it("a rate is a number for each second", () => {
  expect(rateOf(metric("x", 1, null, 714.3))).toBe("714 /s");
  expect(rateOf(metric("x", 1, null, 0.01))).toBe("<0.1 /s");
  expect(rateOf(metric("x", 1, null, 0))).toBe("");
  expect(rateOf(metric("x", 1))).toBe("");
});

it("labels stand behind the name", () => {
  const one = { ...metric("x_total", 1), labels: { worker: "0", reason: "bad_time", empty: "" } };
  expect(labelsOf(one)).toBe("0, bad time");
  expect(labelsOf(one, ["worker"])).toBe("bad time");
  expect(wholeName(one)).toBe('x_total{worker="0", reason="bad_time", empty=""}');
});
