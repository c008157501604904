import { count, duration, plural, zoneName } from "../format";
import {
  connection,
  dark,
  go,
  helpOpen,
  route,
  state,
  type Theme,
  themeChoice,
  zone,
  zoneChoice,
} from "../store";
import type { State } from "../types";
import { format } from "../url";
import { Drift, When } from "../widgets";
import { VIEW_NAMES, viewsOf } from "./views";

export function Header() {
  return (
    <header class="top">
      <span class="brand">
        <Drift still />
        <h1>Driftline</h1>
      </span>
      <Views />
      <Status />
      <Tools />
    </header>
  );
}

function Views() {
  const now = state.value;
  if (!now) return <nav aria-label="Views" />;
  return (
    <nav aria-label="Views">
      {viewsOf(now).map((view) => (
        <a
          key={view}
          href={format({ ...route.value, view }) || "/"}
          aria-current={route.value.view === view ? "page" : undefined}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            go({ view });
          }}
        >
          {VIEW_NAMES[view]}
          {view === "incidents" && now.incidents.open ? (
            <span class="badge" title={`${plural(now.incidents.open, "incident")} open`}>
              {now.incidents.open}
              <span class="unseen"> open</span>
            </span>
          ) : null}
        </a>
      ))}
    </nav>
  );
}

/** The worst of the streams, in a word. */
export function standing(now: State): { word: string; kind: "good" | "quiet" | "bad" } {
  const states = now.streams.map((stream) => stream.state);
  if (connection.value === "gone") return { word: "reconnecting", kind: "bad" };
  if (states.includes("broken") || states.includes("too old")) return { word: "broken source", kind: "bad" };
  if (connection.value === "connecting" || !now.loaded || states.includes("loading"))
    return { word: "loading", kind: "quiet" };
  if (states.includes("lagging")) return { word: "lagging", kind: "bad" };
  return now.events ? { word: "live", kind: "good" } : { word: "waiting", kind: "quiet" };
}

function Status() {
  const now = state.value;
  if (!now) return <p class="status" />;
  const { word, kind } = standing(now);
  const behind = now.watermark === null ? null : now.now - now.watermark;
  return (
    <p class="status">
      <span class={`light ${kind}`}>{word}</span>
      <span class="figure wide">
        <b>{count(now.events)}</b> {now.events === 1 ? "event" : "events"}
      </span>
      <span class="figure wide">
        <b>{count(now.windows)}</b> {now.windows === 1 ? "window" : "windows"}
      </span>
      {now.watermark === null ? null : (
        <span
          class="figure"
          title={behind !== null && behind > 0 ? `${duration(behind)} behind the clock of the server` : ""}
        >
          read up to{" "}
          <b>
            <When at={now.watermark} withDay={behind !== null && behind > 12 * 3600e6} />
          </b>
        </span>
      )}
    </p>
  );
}

const THEMES: Record<Theme, { next: Theme; name: string }> = {
  system: { next: "light", name: "as the system" },
  light: { next: "dark", name: "light" },
  dark: { next: "system", name: "dark" },
};

function Tools() {
  const theme = themeChoice.value.value;
  const local = zoneName("local", new Date());
  return (
    <div class="tools">
      <button
        type="button"
        class="plain zone"
        title={
          zone.value === "utc"
            ? "Times are in UTC. Show your time zone."
            : "Times are in your zone. Show UTC."
        }
        onClick={() => zoneChoice.set(zone.value === "utc" ? "local" : "utc")}
      >
        {zone.value === "utc" || local === "UTC" ? "UTC" : local}
      </button>
      <button
        type="button"
        class="plain icon"
        aria-label={`Colours: ${THEMES[theme].name}`}
        title={`Colours: ${THEMES[theme].name}`}
        onClick={() => themeChoice.set(THEMES[theme].next)}
      >
        <ThemeIcon theme={theme} />
      </button>
      <button
        type="button"
        class="plain icon keyboard"
        aria-label="Keys"
        title="Keys (?)"
        onClick={() => {
          helpOpen.value = true;
        }}
      >
        ?
      </button>
    </div>
  );
}

function ThemeIcon(props: { theme: Theme }) {
  const shape = props.theme === "system" ? "system" : dark.value ? "dark" : "light";
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor">
      {shape === "light" ? (
        <>
          <circle cx="8" cy="8" r="3" stroke-width="1.5" />
          <path
            stroke-width="1.5"
            stroke-linecap="round"
            d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1"
          />
        </>
      ) : null}
      {shape === "dark" ? (
        <path stroke-width="1.5" d="M13 9.8A5.5 5.5 0 1 1 6.2 3a4.5 4.5 0 0 0 6.8 6.8Z" />
      ) : null}
      {shape === "system" ? (
        <>
          <circle cx="8" cy="8" r="6" stroke-width="1.5" />
          <path d="M8 2a6 6 0 0 1 0 12Z" fill="currentColor" stroke="none" />
        </>
      ) : null}
    </svg>
  );
}
