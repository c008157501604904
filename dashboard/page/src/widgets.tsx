import type { ComponentChildren } from "preact";
import { bothZones, clock, day, range } from "./format";
import { narrow, severalDays, zone } from "./store";
import type { Micros } from "./types";

/** A time in the reader's zone; the tooltip has UTC. */
export function When(props: { at: Micros | null; withDay?: boolean }) {
  if (props.at === null) return <span class="none">–</span>;
  const withDay = props.withDay ?? severalDays.value;
  return (
    <time dateTime={new Date(props.at / 1000).toISOString()} title={bothZones(props.at)}>
      {withDay ? <span class="day">{day(props.at, zone.value)} </span> : null}
      {clock(props.at, zone.value)}
    </time>
  );
}

/** A window, or any range of times. */
export function Range(props: { start: Micros; end: Micros }) {
  return (
    <span class="range" title={`${bothZones(props.start)}\nto\n${bothZones(props.end)}`}>
      {severalDays.value ? <span class="day">{day(props.start, zone.value)} </span> : null}
      {range(props.start, props.end, zone.value)}
    </span>
  );
}

/** The number of a cluster with its colour. The number is always there: colour alone says nothing. */
export function Cluster(props: { cluster: number | null }) {
  if (props.cluster === null || props.cluster < 0) return <span class="none">–</span>;
  return (
    <span class="cluster" title={`cluster ${props.cluster}`}>
      <i class={`swatch c${props.cluster % 9}`} aria-hidden="true" />
      {props.cluster}
    </span>
  );
}

/** Something to read before there is data, or instead of it. */
export function Notice(props: {
  title: string;
  kind?: "quiet" | "warning";
  busy?: boolean;
  children?: ComponentChildren;
}) {
  return (
    <div class={`notice ${props.kind ?? "quiet"}`} role="status">
      <Drift still={!props.busy} />
      <h2>{props.title}</h2>
      {props.children ? <div class="notice-text">{props.children}</div> : null}
    </div>
  );
}

/** Driftline's sign: three lines, one of which drifts away. */
export function Drift(props: { still?: boolean }) {
  return (
    <svg
      class={props.still ? "sign" : "sign moving"}
      viewBox="0 0 32 20"
      width="32"
      height="20"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      aria-hidden="true"
    >
      <path d="M2 16 H30" opacity=".35" />
      <path d="M2 11 H30" opacity=".6" />
      <path class="away" d="M2 6 H11 C17 6 17 2.5 23 2.5 H30" />
    </svg>
  );
}

/** Buttons of which one is chosen; on a phone, if `folds`, a list to choose from. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  choose: (value: T) => void;
  folds?: boolean;
}) {
  if (props.folds && narrow.value) {
    return (
      <label class="field">
        <span class="unseen">{props.label}</span>
        <select value={props.value} onChange={(event) => props.choose(event.currentTarget.value as T)}>
          {props.options.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
    );
  }
  return (
    <fieldset class="choice">
      <legend class="unseen">{props.label}</legend>
      {props.options.map(([value, name]) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === props.value}
          onClick={() => props.choose(value)}
        >
          {name}
        </button>
      ))}
    </fieldset>
  );
}
