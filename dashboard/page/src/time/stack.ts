import type { Series } from "../types";

/** The sums that make a stack: the first series is on top. */
export function stack(series: readonly Series[]): Series[] {
  const length = series[0]?.length ?? 0;
  const sums = new Array<number>(length).fill(0);
  return [...series]
    .reverse()
    .map((one) =>
      one.map((value, i) => {
        sums[i] = (sums[i] ?? 0) + (value ?? 0);
        return sums[i] ?? 0;
      }),
    )
    .reverse();
}
