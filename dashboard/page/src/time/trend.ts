import type { Series } from "../types";

export type Trend = "new" | "growing" | "fading" | "gone" | "steady";

/** The mean of a series; what is not known counts as 0. */
export function mean(values: Series): number {
  return values.length ? values.reduce<number>((sum, value) => sum + (value ?? 0), 0) / values.length : 0;
}

/** How the share of a cluster changes from the first third of the windows to the last third. */
export function trend(share: Series): Trend {
  const third = Math.max(Math.floor(share.length / 3), 1);
  const [before, after] = [mean(share.slice(0, third)), mean(share.slice(-third))];
  if (before < 0.01 && after >= 0.02) return "new";
  if (after < 0.01 && before >= 0.02) return "gone";
  if (Math.abs(after - before) < 0.02) return "steady";
  if (after > before * 1.3) return "growing";
  return after < before / 1.3 ? "fading" : "steady";
}
