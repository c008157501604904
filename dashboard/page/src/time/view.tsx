import * as api from "../api";
import { useAnswer } from "../data";
import { duration, percent, plural, score, short } from "../format";
import { Filters } from "../shell/filters";
import { go, narrow, route, turn } from "../store";
import type { Micros, Series, Time } from "../types";
import { filterOf } from "../url";
import { Notice } from "../widgets";
import { BudgetPanel } from "./budget";
import { Chart, type Line } from "./chart";
import { DriftPanel } from "./drift";
import { FlowPanels } from "./flow";
import { Panel, type Shared } from "./panel";
import { River } from "./river";
import "../style/time.css";

/** The stream over time: one row of charts for each question, with one cursor. */
export function TimeView() {
  const query = filterOf(route.value);
  const buckets = narrow.value ? 96 : 240;
  const { data, error, pending } = useAnswer(JSON.stringify([query, buckets]), turn.value, () =>
    api.time({ ...query, buckets }),
  );
  return (
    <>
      <Filters />
      <section
        class={pending && data ? "charts-frame pending" : "charts-frame"}
        aria-label="Charts"
        tabIndex={0}
      >
        {error ? (
          <Notice title="The times cannot be shown" kind="warning">
            <p>{error}</p>
          </Notice>
        ) : null}
        {data?.rows.length && !error ? <Charts time={data} /> : null}
        {data && !data.rows.length ? <Notice title="No row passes the filters" /> : null}
        {!data && !error ? <Notice title="Reading the times" busy /> : null}
      </section>
    </>
  );
}

export function brush(from: Micros, to: Micros): void {
  go({ from, to, window: null });
}

const QUANTILES = (["p50", "p90", "p99", "max"] as const).map(
  (name, i): Line => ({
    name: { p50: "median", p90: "90 %", p99: "99 %", max: "highest" }[name],
    colour: (colours) => colours.quantiles[i] ?? colours.ink,
    kind: name === "max" ? "thin" : "line",
  }),
);

function any(series: Series): boolean {
  return series.some((value) => value !== null && value !== 0);
}

function sum(series: Series): number {
  return series.reduce<number>((total, value) => total + (value ?? 0), 0);
}

function Charts(props: { time: Time }) {
  const { time } = props;
  const x = time.rows.map((_, i) => time.start + i * time.bucket_us);
  const shared = { x, from: time.start, to: time.start + time.rows.length * time.bucket_us, brush };
  const each = `in ${duration(time.bucket_us)}`;
  const anomaly = any(time.anomaly.max);
  const level = anomaly ? time.anomaly : time.score;
  const lost = any(time.late) || any(time.dead_letters);
  const small = 4 + Number(lost) + Number(any(time.watermark));
  return (
    <div class={`charts of-${small}`}>
      <Panel
        title={anomaly ? "Anomaly" : "Score"}
        said={
          anomaly
            ? "2 is once in 100 events, 3 is once in 1,000"
            : "the distance to the centroid of the cluster"
        }
      >
        <Chart
          {...shared}
          label="Quantiles of the anomaly over time"
          series={[level.p50, level.p90, level.p99, level.max]}
          lines={QUANTILES}
          least={anomaly ? 4 : 0}
          format={(value) => score(value, anomaly ? 1 : 2)}
        />
      </Panel>
      <Panel title="Alerts" said={`events that alerted ${each}; ${plural(sum(time.incidents), "incident")}`}>
        <Chart
          {...shared}
          label="Events that alerted and incidents that opened over time"
          series={[time.alerting, time.incidents]}
          lines={[
            { name: "events", colour: (c) => c.bar, kind: "bars" },
            { name: "incidents opened", colour: (c) => c.signal, kind: "bars" },
          ]}
          least={4}
          format={short}
        />
      </Panel>
      <BudgetPanel budget={time.budget} shared={shared} />
      <Panel title="Throughput" said={`scored rows ${each}${lost ? "" : "; no late ones, no dead letters"}`}>
        <Chart
          {...shared}
          label="Scored rows over time"
          series={[time.rows]}
          lines={[{ name: "rows", colour: (c) => c.bar, kind: "bars" }]}
          format={short}
        />
      </Panel>
      <Late time={time} shared={shared} each={each} />
      <Behind time={time} shared={shared} />
      <DriftPanel time={time} from={shared.from} to={shared.to} />
      {time.clusters?.windows.length ? (
        <River clusters={time.clusters} from={shared.from} to={shared.to} />
      ) : null}
      <FlowPanels />
    </div>
  );
}

function Late(props: { time: Time; shared: Shared; each: string }) {
  const { late, dead_letters: dead, rows } = props.time;
  const [lates, deads, all] = [sum(late), sum(dead), sum(rows)];
  if (!lates && !deads) return null;
  return (
    <Panel
      title="Late events and dead letters"
      said={`${plural(lates, "late event")}, ${plural(deads, "dead letter")}${all ? `; ${percent((lates + deads) / (all + lates + deads))} of all` : ""}`}
    >
      <Chart
        {...props.shared}
        label="Late events and dead letters over time"
        series={[late, dead]}
        lines={[
          { name: "late", colour: (c) => c.accent, kind: "bars" },
          { name: "dead letters", colour: (c) => c.signal, kind: "bars" },
        ]}
        least={4}
        format={short}
      />
    </Panel>
  );
}

/** How far the watermark was behind the newest event, where the server knows. */
function Behind(props: { time: Time; shared: Shared }) {
  const { watermark, bucket_us: bucket } = props.time;
  if (!any(watermark)) return null;
  const behind = watermark.map((at, i) =>
    at === null ? null : Math.max(((props.shared.x[i] ?? 0) + bucket - at) / 60e6, 0),
  );
  return (
    <Panel title="Watermark" said="minutes of the stream between an event and the watermark">
      <Chart
        {...props.shared}
        label="Distance of the watermark over time"
        series={[behind]}
        lines={[{ name: "minutes", colour: (c) => c.accent }]}
        format={(value) => short(value)}
      />
    </Panel>
  );
}
