import type { Metric } from "../api";
import { count, duration, score, short } from "../format";

/** `embed batch` for `driftline_embed_batch_seconds_count`: the unit stands beside the value. */
export function nameOf(metric: Pick<Metric, "name">): string {
  return metric.name
    .replace(/^(driftline|nv)_/, "")
    .replace(/_(total|count)$/, "")
    .replace(/_(timestamp_seconds|seconds|bytes|us)$/, "")
    .replaceAll("_", " ");
}

/** The values of the labels, such as `missing field`; empty if the metric has none. */
export function labelsOf(metric: Metric, but: readonly string[] = []): string {
  return Object.entries(metric.labels ?? {})
    .filter(([name, value]) => value !== "" && !but.includes(name))
    .map(([, value]) => value.replaceAll("_", " "))
    .join(", ");
}

/** The name and the labels as Prometheus writes them. */
export function wholeName(metric: Metric): string {
  const labels = Object.entries(metric.labels ?? {}).map(([name, value]) => `${name}="${value}"`);
  return labels.length ? `${metric.name}{${labels.join(", ")}}` : metric.name;
}

const SIZES = ["B", "KB", "MB", "GB", "TB"] as const;

export function bytes(value: number): string {
  let [n, at] = [Math.abs(value), 0];
  while (n >= 999.5 && at < SIZES.length - 1) {
    n /= 1000;
    at += 1;
  }
  return `${at === 0 || n >= 99.5 ? n.toFixed(0) : n.toFixed(1)} ${SIZES[at]}`;
}

/** The value of a metric with its unit; of a counter, its sum. */
export function shownValue(metric: Metric): string {
  const { value, unit, name } = metric;
  if (value === null) return "–";
  // Of a histogram there is the number of observations, which has no unit.
  if (name.endsWith("_count")) return count(value);
  if (unit === "s") return duration(value * 1e6);
  if (unit === "us") return duration(value);
  if (unit === "B") return bytes(value);
  return Number.isInteger(value) ? count(value) : score(value, 3);
}

/** `714 /s`; empty if there is no rate, or nothing happens. */
export function rateOf(metric: Metric): string {
  if (!metric.rate) return "";
  return `${metric.rate < 0.05 ? "<0.1" : short(Number(metric.rate.toFixed(1)))} /s`;
}
