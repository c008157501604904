import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count, range } from "../format";
import { go, route, state, zone } from "../store";
import { StreamText } from "../text";
import { CLEAR } from "../url";

/** What is filtered, with the means to change it. `plain`: the view does not search texts. */
export function Filters(props: { plain?: boolean; children?: ComponentChildren }) {
  return (
    <search class={props.plain ? "filters plain-filters" : "filters"}>
      {props.plain ? null : <Search />}
      <KeyChoice />
      <TimeChoice />
      <Chips />
      <span class="spacer" />
      {props.children}
    </search>
  );
}

function Search() {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(route.value.text ?? "");
  const wanted = route.value.text;
  // The text cursor stays: the field changes only if the address changed by other means.
  useEffect(() => {
    if (document.activeElement !== input.current) setTyped(wanted ?? "");
  }, [wanted]);
  useEffect(() => {
    if ((typed || null) === route.value.text) return;
    const timer = setTimeout(() => go({ text: typed || null }, { replace: true }), 150);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label class="search">
      <svg width="14" height="14" viewBox="0 0 14 14" fill="none" stroke="currentColor" aria-hidden="true">
        <circle cx="6" cy="6" r="4.2" stroke-width="1.5" />
        <path d="M9.5 9.5L13 13" stroke-width="1.5" stroke-linecap="round" />
      </svg>
      <span class="unseen">Search the texts</span>
      <input
        ref={input}
        id="search"
        type="search"
        value={typed}
        placeholder="Search the texts"
        autocomplete="off"
        spellcheck={false}
        maxLength={200}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" && event.key !== "ArrowDown") return;
          event.preventDefault();
          document.querySelector<HTMLElement>("[role=grid]")?.focus();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

export function KeyChoice() {
  const keys = state.value?.keys ?? [];
  const total = state.value?.keys_total ?? 0;
  if (total < 2 && route.value.key === null) return null;
  if (total > 100) {
    return (
      <label class="field">
        <span>Key</span>
        <input
          list="all-keys"
          value={route.value.key ?? ""}
          placeholder={`any of ${count(total)}`}
          onChange={(event) => go({ key: event.currentTarget.value || null })}
        />
        <datalist id="all-keys">
          {keys.map((one) => (
            <option key={one.key} value={one.key} />
          ))}
        </datalist>
      </label>
    );
  }
  return (
    <label class="field">
      <span>Key</span>
      <select
        value={route.value.key ?? ""}
        onChange={(event) => go({ key: event.currentTarget.value || null })}
      >
        <option value="">all {count(total)}</option>
        {keys.map((one) => (
          <option key={one.key} value={one.key}>
            {one.key} ({count(one.rows)})
          </option>
        ))}
      </select>
    </label>
  );
}

const SPANS = [
  ["15m", "last 15 min", 900e6],
  ["1h", "last hour", 3600e6],
  ["6h", "last 6 h", 6 * 3600e6],
  ["1d", "last day", 86400e6],
  ["7d", "last 7 days", 7 * 86400e6],
] as const;

/** A range of times for those who do not drag: the last of the stream. */
export function TimeChoice() {
  const { first_ts: first, last_ts: last } = state.value ?? { first_ts: null, last_ts: null };
  if (first === null || last === null) return null;
  const { from, to } = route.value;
  const spans = SPANS.filter(([, , us]) => us < last - first);
  // A range that is chosen is one of the chips.
  if (!spans.length || from !== null || to !== null) return null;
  return (
    <label class="field times">
      <span class="unseen">Time</span>
      <select
        value=""
        onChange={(event) => {
          const span = SPANS.find(([name]) => name === event.currentTarget.value);
          if (span) go({ from: last - span[2], to: null, window: null });
        }}
      >
        <option value="">all times</option>
        {spans.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The filters that can be taken away. `times`: only those of time. */
export function Chips(props: { times?: boolean }) {
  const { from, to, cluster, incident, window, selection, revisions, view } = route.value;
  const shown = [
    from !== null || to !== null ? (
      <Chip key="range" name="time" clear={{ from: null, to: null }}>
        {range(from ?? state.value?.first_ts ?? 0, to ?? state.value?.last_ts ?? 0, zone.value)}
      </Chip>
    ) : null,
    window !== null ? (
      <Chip key="window" name="window from" clear={{ window: null }}>
        {range(window, window, zone.value).split("–")[0]}
      </Chip>
    ) : null,
    cluster !== null ? (
      <Chip key="cluster" name="cluster" clear={{ cluster: null }}>
        {cluster}
      </Chip>
    ) : null,
    incident !== null && view !== "incidents" ? (
      <Chip key="incident" name="incident" clear={{ incident: null }}>
        <StreamText text={incident.slice(0, 8)} />
      </Chip>
    ) : null,
    selection !== null ? (
      <Chip key="selection" name="selection" clear={{ selection: null }}>
        of the map
      </Chip>
    ) : null,
    revisions === "all" ? (
      <Chip key="revisions" name="revisions" clear={{ revisions: "latest" }}>
        all
      </Chip>
    ) : null,
  ].filter((chip) => chip !== null && (!props.times || chip.key === "range"));
  if (!shown.length) return null;
  return (
    <div class="chips">
      {shown}
      {shown.length > 1 ? (
        <button type="button" class="plain" onClick={() => go(CLEAR)}>
          Clear all
        </button>
      ) : null}
    </div>
  );
}

function Chip(props: { name: string; clear: Parameters<typeof go>[0]; children: ComponentChildren }) {
  return (
    <span class="chip">
      <span class="chip-name">{props.name}</span> {props.children}
      <button type="button" aria-label={`Remove the filter: ${props.name}`} onClick={() => go(props.clear)}>
        ✕
      </button>
    </span>
  );
}
