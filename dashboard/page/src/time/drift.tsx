import { pValue } from "../format";
import { go } from "../store";
import { StreamText } from "../text";
import type { DriftRow, Micros, Series, Time } from "../types";
import { Range } from "../widgets";
import { Chart, type Line } from "./chart";
import { Panel } from "./panel";
import { brush } from "./view";

const TESTS: readonly (readonly [keyof DriftRow & `p_${string}`, string])[] = [
  ["p_centroid_before", "centroid, to the window before"],
  ["p_centroid_reference", "centroid, to the reference"],
  ["p_clusters_before", "clusters, to the window before"],
  ["p_clusters_reference", "clusters, to the reference"],
];

/** `-log10` of a p-value: 2 is once in 100. */
export function surprise(p: number | null): number | null {
  return p === null ? null : -Math.log10(Math.max(p, 1e-12));
}

/** The lowest p-value of a row, and the test that it is of. */
export function causeOf(row: DriftRow): { p: number; name: string } | null {
  let best: { p: number; name: string } | null = null;
  for (const [field, name] of TESTS) {
    const p = row[field] as number | null;
    if (p !== null && (best === null || p < best.p)) best = { p, name };
  }
  return best;
}

export function DriftPanel(props: { time: Time; from: Micros; to: Micros }) {
  const rows = [...props.time.drift]
    .filter((row) => row.window_end > props.from && row.window_start < props.to)
    .sort((a, b) => a.window_start - b.window_start);
  const tested = rows.filter((row) => row.state === "tested");
  if (!rows.length) {
    return (
      <Panel title="Drift" said="The flow wrote no drift rows for this range: set sink.drift to have them.">
        <p class="calm">none</p>
      </Panel>
    );
  }
  const series: Series[] = TESTS.map(([field]) => tested.map((row) => surprise(row[field] as number | null)));
  const lines: Line[] = TESTS.map(([, name], i) => ({
    name,
    kind: "points",
    colour: (colours) => colours.clusters[[3, 0, 7, 2][i] ?? 0] ?? colours.ink,
  }));
  const drifted = tested
    .filter((row) => row.p_value !== null && row.p_value < 0.05)
    .sort((a, b) => (a.p_value ?? 1) - (b.p_value ?? 1))
    .slice(0, 5);
  return (
    <Panel
      wide
      title="Drift"
      said={`how surprising each window is, in powers of ten; above the line: once in 100. ${tested.length} of ${rows.length} windows tested`}
    >
      <div class="drift">
        <Chart
          x={tested.map((row) => row.window_start)}
          series={series}
          lines={lines}
          from={props.from}
          to={props.to}
          label="Surprise of the drift tests by window"
          least={3}
          rule={2}
          format={(value) => value.toFixed(1)}
          brush={brush}
        />
        <div>
          <h3>{drifted.length ? "Windows that drifted most" : "No window drifted"}</h3>
          <ol class="drifted">
            {drifted.map((row) => (
              <li key={`${row.key} ${row.window_start}`}>
                <button
                  type="button"
                  class="link"
                  onClick={() => go({ view: "live", window: row.window_start, from: null, to: null })}
                >
                  <Range start={row.window_start} end={row.window_end} />
                </button>
                <span class="p">p {pValue(row.p_value)}</span>
                <span class="cause">
                  {row.message ? (
                    <StreamText text={row.message.slice(0, 400)} limit={20} />
                  ) : (
                    causeOf(row)?.name
                  )}
                </span>
              </li>
            ))}
          </ol>
        </div>
      </div>
    </Panel>
  );
}
