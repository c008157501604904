import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import { useAnswer, useSize } from "../data";
import { clock, day, minute, plural, range } from "../format";
import { isLoud } from "../live/columns";
import { go, route, severalDays, turn, zone } from "../store";
import type { Time } from "../types";
import { filterOf } from "../url";
import { brushed, ticks } from "./scale";

const HEIGHT = 44;
const BUCKETS = 240;
/** The strip waits so long for the table, so that the server answers for the rows first. */
const LATER_MS = 100;

/** The whole stream in one strip: how many rows came, how unusual they were, which range is shown. */
export function Ribbon() {
  const query = filterOf(route.value, ["from", "to", "window", "incident", "selection"]);
  const drawn = useRef(false);
  const { data, error } = useAnswer(JSON.stringify(query), turn.value, async () => {
    if (drawn.current) await new Promise((done) => setTimeout(done, LATER_MS));
    drawn.current = true;
    return api.time({ ...query, buckets: BUCKETS });
  });
  if (error) return null;
  return (
    <section class="ribbon" aria-label="The stream over time">
      {data?.rows.length ? <Strip time={data} /> : <div class="ribbon-space" />}
    </section>
  );
}

/** Heights from 0 to 1 of the unusual: the logarithm, because one event in a million must show. */
export function unusual(time: Time): number[] {
  const has = time.anomaly.max.some((value) => value !== null);
  const series = has ? time.anomaly.max : time.score.max;
  const top = Math.max(...series.map((value) => value ?? 0), has ? 4 : 1e-9);
  return series.map((value) => Math.max(value ?? 0, 0) / top);
}

/** Of n events, the highest anomaly is about log10(n) by chance. */
export function isUnexpected(anomaly: number | null, rows: number): boolean {
  return anomaly !== null && isLoud(anomaly) && anomaly >= Math.log10(Math.max(rows, 1)) + 1.5;
}

function Strip(props: { time: Time }) {
  const { ref, width } = useSize<HTMLDivElement>();
  const [drag, setDrag] = useState<{ a: number; b: number } | null>(null);
  const { time } = props;
  const n = time.rows.length;
  const end = time.start + n * time.bucket_us;
  const { from, to, window } = route.value;
  const place = (us: number) => ((us - time.start) / (end - time.start)) * width;
  const at = (event: PointerEvent) => {
    const box = ref.current?.getBoundingClientRect();
    return box ? (event.clientX - box.left) / box.width : 0;
  };
  const shown = drag
    ? brushed(drag.a, drag.b, time.start, time.bucket_us, n)
    : window !== null
      ? null
      : from !== null || to !== null
        ? { from: from ?? time.start, to: to ?? end }
        : null;
  return (
    <div
      ref={ref}
      class="strip"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ a: at(event), b: at(event) });
      }}
      onPointerMove={(event) => drag && setDrag({ ...drag, b: at(event) })}
      onPointerCancel={() => setDrag(null)}
      onPointerUp={() => {
        if (!drag) return;
        setDrag(null);
        if (Math.abs(drag.a - drag.b) * width < 4) go({ from: null, to: null, window: null });
        else go({ ...brushed(drag.a, drag.b, time.start, time.bucket_us, n), window: null });
      }}
    >
      {width > 0 ? (
        <svg width={width} height={HEIGHT + 16} aria-hidden="true">
          <Bars time={time} width={width} />
          {ticks(time.start, end, width / 90, offsetOf(time.start)).map((tick) => (
            <g key={tick} transform={`translate(${Math.round(place(tick)) + 0.5} 0)`} class="tick">
              <line y1={HEIGHT} y2={HEIGHT + 4} />
              <text y={HEIGHT + 14} text-anchor={anchor(place(tick), width)}>
                {tickName(tick, time.bucket_us)}
              </text>
            </g>
          ))}
          {shown ? <Chosen from={place(shown.from)} to={place(shown.to)} width={width} /> : null}
        </svg>
      ) : null}
      <p class="unseen">{summary(time)}</p>
      {drag && shown ? (
        <span class="strip-range">
          {severalDays.value ? `${day(shown.from, zone.value)} ` : ""}
          {range(shown.from, shown.to, zone.value)}
        </span>
      ) : null}
    </div>
  );
}

function anchor(x: number, width: number): "start" | "middle" | "end" {
  if (x < 18) return "start";
  return x > width - 18 ? "end" : "middle";
}

/** The offset of the shown zone in microseconds. */
function offsetOf(us: number): number {
  return zone.value === "utc" ? 0 : -new Date(us / 1000).getTimezoneOffset() * 60e6;
}

function tickName(us: number, bucket: number): string {
  if (minute(us, zone.value) === "00:00") return day(us, zone.value);
  return bucket < 0.2e6 ? clock(us, zone.value) : minute(us, zone.value);
}

function Bars(props: { time: Time; width: number }) {
  const { time, width } = props;
  const n = time.rows.length;
  const most = Math.max(...time.rows.map((value) => value ?? 0), 1);
  const step = width / n;
  const rows = time.rows.map((value, i) => {
    const high = ((value ?? 0) / most) * (HEIGHT * 0.34);
    return `M${(i * step).toFixed(1)} ${HEIGHT}v${(-high).toFixed(1)}h${Math.max(step - 0.6, 0.6).toFixed(1)}V${HEIGHT}Z`;
  });
  const levels = unusual(time);
  const loud = time.anomaly.max.map((value, i) => isUnexpected(value, time.rows[i] ?? 0));
  const wide = Math.min(Math.max(step * 0.36, 1.2), 4);
  const needles = (which: boolean) =>
    levels
      .map((level, i) => {
        if (level <= 0 || loud[i] !== which) return "";
        const x = (i + 0.5) * step - wide / 2;
        return `M${x.toFixed(1)} ${HEIGHT}V${(HEIGHT - 2 - level * (HEIGHT - 14)).toFixed(1)}h${wide.toFixed(1)}V${HEIGHT}Z`;
      })
      .join("");
  return (
    <>
      <path class="strip-rows" d={rows.join("")} />
      <path class="strip-odd" d={needles(false)} />
      <path class="strip-odd loud" d={needles(true)} />
      {time.incidents.map((opened, i) =>
        opened ? (
          <circle
            key={time.start + i * time.bucket_us}
            class="strip-opened"
            cx={(i + 0.5) * step}
            cy="5"
            r="3.5"
          />
        ) : null,
      )}
      <line class="strip-base" x1="0" x2={width} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
    </>
  );
}

function Chosen(props: { from: number; to: number; width: number }) {
  const from = Math.max(props.from, 0);
  const to = Math.min(props.to, props.width);
  return (
    <>
      <rect class="strip-out" x="0" y="0" width={Math.max(from, 0)} height={HEIGHT} />
      <rect class="strip-out" x={to} y="0" width={Math.max(props.width - to, 0)} height={HEIGHT} />
      <path class="strip-edge" d={`M${from + 0.5} 0V${HEIGHT}M${to - 0.5} 0V${HEIGHT}`} />
    </>
  );
}

function summary(time: Time): string {
  const rows = time.rows.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const opened = time.incidents.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return `${plural(rows, "row")}, ${plural(opened, "incident")} opened. Drag to choose a range.`;
}
