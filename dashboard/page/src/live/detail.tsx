import { useState } from "preact/hooks";
import * as api from "../api";
import { useAnswer } from "../data";
import { count, micros, pValue, score } from "../format";
import { Panel } from "../panel";
import { go, route, turn } from "../store";
import { StreamText } from "../text";
import type { EventDetail, EventWindow, Explanation } from "../types";
import { format } from "../url";
import { Notice, When } from "../widgets";
import { Attributes, Neighbours, Windows } from "./beside";
import { isLoud } from "./columns";

/** An event: its text, why it is unusual, its scores in each window, and what is near it. */
export function EventPanel() {
  const at = route.value.event;
  const { data, error, pending } = useAnswer(at && JSON.stringify(at), turn.value, () =>
    api.event(at?.key ?? "", at?.id ?? ""),
  );
  return (
    <Panel label="Event" name={at ? JSON.stringify(at) : ""} close={() => go({ event: null })}>
      {error ? (
        <Notice title="The event cannot be shown" kind="warning">
          <p>{error}</p>
        </Notice>
      ) : null}
      {data && !error ? <Event event={data} pending={pending} /> : null}
      {!data && !error ? <Notice title="Reading the event" busy /> : null}
    </Panel>
  );
}

/** The window that says most: the one with the highest anomaly, else the newest. */
export function telling(windows: readonly EventWindow[]): EventWindow | null {
  const ordered = [...windows].sort(
    (a, b) =>
      (b.anomaly ?? -1) - (a.anomaly ?? -1) || b.window_start - a.window_start || b.revision - a.revision,
  );
  return ordered[0] ?? null;
}

function Event(props: { event: EventDetail; pending: boolean }) {
  const { event } = props;
  const best = telling(event.windows);
  const explanation = [best, ...event.windows].map((one) => one?.explanation).find((one) => one?.nearest);
  return (
    <article class={props.pending ? "detail pending" : "detail"}>
      <header>
        <p class="over">
          <When at={event.ts} withDay /> <span class="dot">·</span> <StreamText text={event.key} limit={20} />
        </p>
        <Text event={event} />
        {best ? <Figures best={best} /> : null}
        <InIncident event={event} />
      </header>
      {explanation ? <Why explanation={explanation} /> : null}
      <Windows event={event} />
      <Neighbours event={event} />
      <Attributes event={event} />
    </article>
  );
}

/** So many characters are shown until a reader asks for more. */
const FIRST = 800;

function Text(props: { event: EventDetail }) {
  const { text, text_length: length, id } = props.event;
  const [whole, setWhole] = useState<string | null>(null);
  const cut = text.length > FIRST && whole !== id;
  return (
    <div class="full-text">
      <p>
        <StreamText text={cut ? text.slice(0, FIRST) : text} lines limit={2000} cut={cut} />
      </p>
      {cut ? (
        <button type="button" class="link" onClick={() => setWhole(id)}>
          Show {text.length < length ? `the first ${count(text.length)}` : `all ${count(length)}`} characters
        </button>
      ) : null}
      {!cut && text.length < length ? (
        <p class="note">
          {count(text.length)} of {count(length)} characters are shown.
        </p>
      ) : null}
    </div>
  );
}

function Figures(props: { best: EventWindow }) {
  const { best } = props;
  const all: [string, string][] = [
    ["anomaly", score(best.anomaly)],
    ["p-value", pValue(best.p_value)],
    ["novelty", score(best.novelty)],
    ["surge", score(best.surge)],
    ["rarity", score(best.rarity)],
    ["score", score(best.score)],
  ];
  const present = all.filter(([, value]) => value !== "–");
  return (
    <dl class="figures">
      {present.map(([name, value]) => (
        <div key={name} class={name === "anomaly" && isLoud(best.anomaly) ? "loud" : ""}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function InIncident(props: { event: EventDetail }) {
  const { incident } = props.event;
  if (!incident) return null;
  return (
    <p class="in-incidents">
      In{" "}
      <a
        href={format({ ...route.value, view: "incidents", open: incident })}
        onClick={(event) => {
          event.preventDefault();
          go({ view: "incidents", open: incident });
        }}
      >
        incident {incident.slice(0, 8)}
      </a>
    </p>
  );
}

export function Words(props: { words: readonly string[]; kind: "new" | "missing" }) {
  if (!props.words.length) return <span class="none">none</span>;
  return (
    <>
      {props.words.slice(0, 40).map((word) => (
        <span key={word} class={`word ${props.kind}`}>
          <StreamText text={word.slice(0, 60)} limit={10} />
        </span>
      ))}
    </>
  );
}

function Why(props: { explanation: Explanation }) {
  const { explanation } = props;
  const at = micros(explanation.nearest_ts);
  return (
    <section>
      <h3>Why it is unusual</h3>
      <dl class="why">
        <dt>nearest so far</dt>
        <dd>
          <StreamText
            text={explanation.nearest.slice(0, 600)}
            limit={60}
            cut={explanation.nearest.length > 600}
          />
          <span class="note">
            {" "}
            similarity {score(explanation.similarity)}
            {at === null ? (
              ", pinned"
            ) : (
              <>
                , <When at={at} withDay />
              </>
            )}
          </span>
        </dd>
        <dt>new words</dt>
        <dd class="words">
          <Words words={explanation.new ?? []} kind="new" />
        </dd>
        <dt>missing</dt>
        <dd class="words">
          <Words words={explanation.missing ?? []} kind="missing" />
        </dd>
        <dt>this form</dt>
        <dd>
          {explanation.seen ? `was seen ${count(explanation.seen)} times before` : "was never seen before"}
        </dd>
      </dl>
    </section>
  );
}
