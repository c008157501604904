import type { Micros } from "../types";

const STEPS = [
  1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000,
].map((s) => s * 1e6);

/** Round times between `start` and `end`, at most `most` of them. `offset` is that of the zone, in microseconds. */
export function ticks(start: Micros, end: Micros, most: number, offset = 0): Micros[] {
  if (!(end > start) || most < 1) return [];
  const step = STEPS.find((candidate) => (end - start) / candidate <= most) ?? STEPS.at(-1) ?? 1;
  const first = Math.ceil((start + offset) / step) * step - offset;
  const out: Micros[] = [];
  for (let at = first; at <= end && out.length < 100; at += step) out.push(at);
  return out;
}

/** The range that a brush marks: from the smaller to the larger of two places, on whole buckets. */
export function brushed(a: number, b: number, start: Micros, bucket: Micros, buckets: number) {
  const clamp = (x: number) => Math.min(Math.max(x, 0), 1);
  const [low, high] = [clamp(Math.min(a, b)), clamp(Math.max(a, b))];
  const first = Math.floor(low * buckets);
  const last = Math.max(Math.ceil(high * buckets), first + 1);
  return { from: start + first * bucket, to: start + Math.min(last, buckets) * bucket };
}
