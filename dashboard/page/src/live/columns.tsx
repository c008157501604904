import type { VNode } from "preact";
import { pValue, score } from "../format";
import { StreamText } from "../text";
import type { Row } from "../types";
import type { Sort } from "../url";
import { Cluster, Range, When } from "../widgets";

export interface Column {
  id: string;
  name: string;
  /** What the column says, for a tooltip. */
  about: string;
  sort?: Sort;
  width: string;
  number?: boolean;
  /** The smallest width of the table with which the column is shown, in pixels. */
  from: number;
  /** The column of the server that has to exist. */
  needs?: string;
  cell: (row: Row, before: Row | undefined) => VNode | string;
}

/** An `anomaly` of 6 is once in a million: the bar is full. From 3 on, once in 1,000, it stands out. */
const FULL = 6;
const LOUD = 3;

export function isLoud(anomaly: number | null): boolean {
  return anomaly !== null && anomaly >= LOUD;
}

function Bar(props: { value: number | null }) {
  const share = Math.min(Math.max((props.value ?? 0) / FULL, 0), 1);
  return (
    <svg class={isLoud(props.value) ? "bar loud" : "bar"} width="40" height="6" aria-hidden="true">
      <rect class="bar-all" width="40" height="6" rx="1" />
      <rect class="bar-value" width={(share * 40).toFixed(1)} height="6" rx="1" />
    </svg>
  );
}

const numeric = (name: "novelty" | "surge" | "rarity" | "score", about: string, from: number): Column => ({
  id: name,
  name: name[0]?.toUpperCase() + name.slice(1),
  about,
  sort: name,
  width: "72px",
  number: true,
  from,
  needs: name,
  cell: (row) => score(row[name]),
});

export const COLUMNS: readonly Column[] = [
  {
    id: "anomaly",
    name: "Anomaly",
    about: "How rare the event is: 2 is once in 100 events, 3 is once in 1,000",
    sort: "anomaly",
    width: "116px",
    number: true,
    from: 0,
    needs: "anomaly",
    cell: (row) => (
      <>
        {row.incident !== null ? (
          <span class="in-incident" title="in an incident">
            <span class="unseen">in an incident </span>
          </span>
        ) : null}
        <Bar value={row.anomaly} />
        <span class={isLoud(row.anomaly) ? "value loud" : "value"}>{score(row.anomaly)}</span>
      </>
    ),
  },
  {
    id: "ts",
    name: "Time",
    about: "The time of the event",
    sort: "ts",
    width: "minmax(76px, max-content)",
    from: 0,
    cell: (row) => <When at={row.ts} />,
  },
  {
    id: "window",
    name: "Window",
    about: "The window in which the event was compared with others",
    sort: "window",
    width: "104px",
    from: 900,
    cell: (row, before) => (
      <span class={before?.window_start === row.window_start ? "same" : ""}>
        <Range start={row.window_start} end={row.window_end} />
        {row.revision ? <sup title={`revision ${row.revision}`}>r{row.revision}</sup> : null}
      </span>
    ),
  },
  {
    id: "key",
    name: "Key",
    about: "The key of the event",
    width: "minmax(64px, 120px)",
    from: 980,
    needs: "keys",
    cell: (row) => <StreamText text={row.key} limit={20} />,
  },
  {
    id: "text",
    name: "Text",
    about: "The text of the event",
    width: "minmax(160px, 1fr)",
    from: 0,
    cell: (row) => <StreamText text={row.text} limit={40} cut={row.text_cut} />,
  },
  {
    id: "cluster",
    name: "Cluster",
    about: "The cluster of the event in its window",
    width: "60px",
    from: 760,
    cell: (row) => <Cluster cluster={row.cluster} />,
  },
  numeric("novelty", "How far the event is from the most similar earlier event", 860),
  numeric("surge", "How surprising it is that the window has so many events like this one", 1080),
  numeric("rarity", "How rare the exact text is", 1180),
  numeric("score", "How far the event is from the centroid of its cluster", 700),
  {
    id: "p_value",
    name: "p-value",
    about: "How often the evidence is as high by chance; lower is rarer",
    sort: "p_value",
    width: "84px",
    number: true,
    from: 1000,
    needs: "p_value",
    cell: (row) => pValue(row.p_value),
  },
];

/** The columns for a table of `width` pixels. */
export function columnsFor(width: number, present: readonly string[], keys: number): Column[] {
  return COLUMNS.filter((column) => {
    if (width < column.from) return false;
    if (column.needs === "keys") return keys > 1;
    return !column.needs || present.includes(column.needs);
  });
}
