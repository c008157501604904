import type { VNode } from "preact";
import { connection, refusal, state } from "../store";
import type { State, Stream } from "../types";
import { Notice } from "../widgets";

const NAMES: Record<string, string> = {
  scores: "Scores",
  alerts: "Alerts",
  drift: "Drift",
  windows: "Windows",
  late: "Late events",
  dead_letters: "Dead letters",
};

const WORDS: Partial<Record<Stream["state"], string>> = {
  broken: "cannot be read",
  "too old": "have a schema that this page does not know",
  lagging: "lag behind",
};

/** What is wrong, above the view: one line for each. */
export function Banner() {
  const now = state.value;
  const lines: VNode[] = [];
  if (connection.value === "gone") {
    lines.push(
      <p key="gone" class="bad">
        <b>The server does not answer.</b>{" "}
        {now ? "You see what it last sent. " : "It may not have started yet. "}
        The page connects again by itself.
      </p>,
    );
  }
  if (connection.value === "refused") {
    lines.push(
      <p key="refused" class="bad">
        <b>The server refuses the page.</b> {refusal.value}
      </p>,
    );
  }
  for (const stream of now?.streams ?? []) {
    const word = WORDS[stream.state] ?? (stream.broken ? "have rows that cannot be read" : null);
    if (!word) continue;
    const message = stream.message ?? "";
    lines.push(
      <p key={stream.uri} class={stream.state in WORDS && stream.state !== "lagging" ? "bad" : "slow"}>
        <b>
          {NAMES[stream.stream] ?? stream.stream} {word}.
        </b>{" "}
        {message} {message.includes(stream.uri) ? null : <code>{stream.uri}</code>}
      </p>,
    );
  }
  if (!lines.length) return null;
  return (
    <div class="banner" role="alert">
      {lines}
    </div>
  );
}

/** The page before there is any scored row, or null if there is something to show. */
export function nothingYet(now: State): VNode | null {
  const scores = now.streams.filter((stream) => stream.stream === "scores");
  if (now.events > 0) return null;
  if (!now.loaded) return <Notice title="Reading the output of the flow" busy />;
  if (scores.length && scores.every((stream) => stream.state === "broken" || stream.state === "too old")) {
    return <Notice title="No scores can be read" kind="warning" />;
  }
  return (
    <Notice title="No window has closed yet" busy>
      <p>
        The page reads <Uris streams={now.streams} />. Scores come when the first window closes: its length
        and <code>window.delay</code> have to pass in the time of the events.
      </p>
    </Notice>
  );
}

function Uris(props: { streams: Stream[] }) {
  const [first, ...others] = props.streams;
  if (!first) return <>no output yet</>;
  return (
    <>
      <code>{first.uri}</code>
      {others.length ? ` and ${others.length} more` : ""}
    </>
  );
}
