import * as api from "../api";
import { useAnswer, useBeat } from "../data";
import { duration, short } from "../format";
import { narrow, state } from "../store";
import type { Latency, Metrics } from "../types";
import { Chart } from "./chart";
import { latest } from "./latest";
import { Panel } from "./panel";

const EVERY_MS = 5000;
/** The metrics do not tell longer times apart. */
const DAY_S = 86_400;

/** The rates and latencies of the flow, which its metrics say. */
export function FlowPanels() {
  if (!state.value?.metrics) {
    return (
      <Panel wide title="Latency" calm>
        <p class="calm">
          The metrics of the flow have it: start the page with <code>--metrics http://HOST:3030/metrics</code>
          .
        </p>
      </Panel>
    );
  }
  return <Measured />;
}

function Measured() {
  const beat = useBeat(EVERY_MS);
  const buckets = narrow.value ? 96 : 240;
  const { data, error } = useAnswer(`metrics ${buckets}`, beat, () => api.metrics({ buckets }));
  if (error) return <Panel wide title="Latency" said={error} calm />;
  const known = data ? [data.records, data.rows, data.latency.flow.p50, data.latency.event.p50] : [];
  if (!data || !known.some((series) => latest(series) !== null)) {
    const said =
      (data?.times.length ?? 0) > 2 ? "The flow does not answer." : "Reading the metrics of the flow.";
    return <Panel wide title="Latency" said={said} calm />;
  }
  return <MeasuredCharts metrics={data} />;
}

function MeasuredCharts(props: { metrics: Metrics }) {
  const { times, interval_s, records, rows, latency } = props.metrics;
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0];
  const shared = { x: times, from: first - interval_s * 1e6, to: last, sync: "flow" };
  return (
    <>
      <Panel title="Rates" said={`per second of the clock; a point for each ${duration(interval_s * 1e6)}`}>
        <Chart
          {...shared}
          label="Records and scored rows in a second over time"
          series={[records, rows]}
          lines={[
            { name: "records read", colour: (c) => c.accent },
            { name: "rows scored", colour: (c) => c.quantiles[1] ?? c.ink },
          ]}
          least={1}
          format={short}
        />
      </Panel>
      <LatencyPanel
        {...shared}
        title="Latency"
        said="from the end of a window until it is scored"
        latency={latency.flow}
      />
      <LatencyPanel
        {...shared}
        title="Age of events"
        said="from its time until it is scored"
        latency={latency.event}
      />
    </>
  );
}

function LatencyPanel(props: {
  title: string;
  said: string;
  latency: Latency;
  x: number[];
  from: number;
  to: number;
  sync: string;
}) {
  const { title, said, latency, ...shared } = props;
  const now = latest(latency.p50);
  const old = (now ?? 0) >= DAY_S ? "; a day or more" : "";
  return (
    <Panel title={title} said={now === null ? `${said}; no window was scored meanwhile` : said + old}>
      <Chart
        {...shared}
        label={`${title}: median and 99 % over time`}
        series={[latency.p50, latency.p99]}
        lines={[
          { name: "median", colour: (c) => c.quantiles[1] ?? c.ink, kind: "dots" },
          { name: "99 %", colour: (c) => c.accent, kind: "dots" },
        ]}
        format={seconds}
        axis={seconds}
      />
    </Panel>
  );
}

/** `12 ms`, `1.5 s`, `4 min`. */
export function seconds(value: number): string {
  if (value > 0 && value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 10 && !Number.isInteger(value)) return `${value.toFixed(1)} s`;
  return duration(value * 1e6).replace(/^0 ms$/, "0");
}
