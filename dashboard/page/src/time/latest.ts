import type { Series } from "../types";

/** The last value that is known. */
export function latest(series: Series): number | null {
  for (let at = series.length - 1; at >= 0; at--) {
    const value = series[at];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
