/** The answers of the server. Times are integer microseconds since 1970, UTC. */
export type Micros = number;

export type StreamState = "loading" | "live" | "lagging" | "empty" | "broken" | "too old";

export interface Stream {
  stream: string;
  uri: string;
  state: StreamState;
  message: string | null;
  rows: number;
  /** Rows that were left out because they cannot be read. */
  broken: number;
  newest: Micros | null;
  read: Micros | null;
}

export interface State {
  generation: number;
  loaded: boolean;
  streams: Stream[];
  keys: { key: string; rows: number }[];
  keys_total: number;
  first_ts: Micros | null;
  last_ts: Micros | null;
  watermark: Micros | null;
  now: Micros;
  columns: string[];
  embeddings: boolean;
  marks: { uri: string | null; writable: boolean };
  metrics: boolean;
  compare: boolean;
  dropped_rows: number;
  events: number;
  windows: number;
  incidents: { open: number; closed: number };
  version: string;
}

export interface Scores {
  score: number | null;
  cluster: number | null;
  novelty: number | null;
  surge: number | null;
  rarity: number | null;
  p_value: number | null;
  anomaly: number | null;
}

export interface Row extends Scores {
  row: number;
  key: string;
  window_start: Micros;
  window_end: Micros;
  revision: number;
  id: string;
  ts: Micros;
  text: string;
  text_cut: boolean;
  incident: string | null;
}

export interface Rows {
  generation: number;
  total: number;
  rows: Row[];
}

export interface Explanation {
  nearest: string;
  nearest_ts: Micros | string | null;
  similarity: number;
  new: string[];
  missing: string[];
  seen: number;
  sentence: string;
}

export interface EventWindow extends Scores {
  window_start: Micros;
  window_end: Micros;
  revision: number;
  explanation: Explanation | null;
}

export interface EventDetail {
  key: string;
  id: string;
  ts: Micros;
  text: string;
  text_length: number;
  attributes: Record<string, unknown> | null;
  model: string | null;
  /** Where the source had the record; an older flow did not write it. */
  partition: string | null;
  offset: number | null;
  windows: EventWindow[];
  incident: string | null;
  neighbours: { id: string; ts: Micros; text: string; similarity: number; anomaly: number | null }[];
}

export interface Mark {
  mark: "expected" | "real" | "none";
  note: string | null;
  by: string | null;
  ts: Micros | null;
  until: Micros | null;
  key: string | null;
}

export interface Example {
  id: string;
  ts: Micros | string;
  text: string;
  anomaly: number | null;
  nearest: string | null;
  nearest_ts: Micros | string | null;
  explanation: string | null;
}

export interface Incident {
  incident: string;
  kind: "events" | "drift";
  state: string;
  key: string;
  opened: Micros | null;
  decided: Micros;
  first_ts: Micros;
  last_ts: Micros;
  window_start: Micros;
  window_end: Micros;
  count: number;
  peak: number;
  p_value: number;
  threshold: number;
  cluster: number;
  examples: Example[];
  message: string;
  sequence: number;
  merged_into: string | null;
  /** How many of the events no alert names; null: an older flow named examples only. */
  unnamed: number | null;
  mark: Mark | null;
}

export interface IncidentDetail extends Incident {
  changes: {
    sequence: number;
    state: string;
    decided: Micros;
    count: number;
    peak: number;
    message: string;
  }[];
}

export interface Precision {
  real: number;
  expected: number;
  unmarked: number;
  share: number | null;
}

export interface Incidents {
  generation: number;
  total: number;
  incidents: Incident[];
  precision: Precision;
}

export type Series = (number | null)[];

export interface Quantiles {
  p50: Series;
  p90: Series;
  p99: Series;
  max: Series;
}

export interface DriftRow {
  key: string;
  window_start: Micros;
  window_end: Micros;
  state: string;
  p_value: number | null;
  p_centroid_before: number | null;
  p_centroid_reference: number | null;
  p_clusters_before: number | null;
  p_clusters_reference: number | null;
  rows: number;
  message: string | null;
}

export interface Clusters {
  key: string | null;
  fitted: number | null;
  windows: Micros[];
  clusters: { cluster: number; share: Series; example: string | null }[];
}

/** The new incidents of the 24 hours up to the end of each bucket. */
export interface Budget {
  per_day: number | null;
  /** Whose budget it is; null: an older flow did not say. */
  of: "stream" | "key" | null;
  realised: Series;
}

export interface Latency {
  p50: Series;
  p99: Series;
}

/** The flow by the clock of the server: rates in a second, latencies in seconds. */
export interface Metrics {
  interval_s: number;
  times: Micros[];
  records: Series;
  rows: Series;
  latency: { flow: Latency; event: Latency };
}

export interface Time {
  bucket_us: number;
  start: Micros;
  rows: Series;
  anomaly: Quantiles;
  score: Quantiles;
  incidents: Series;
  alerting: Series;
  late: Series;
  dead_letters: Series;
  watermark: Series;
  /** null: no incident is known. */
  budget: Budget | null;
  drift: DriftRow[];
  clusters: Clusters | null;
}
