import { useRef } from "preact/hooks";
import { count, score } from "../format";
import { go, route, state } from "../store";
import { StreamText } from "../text";
import type { Incident } from "../types";
import { format } from "../url";
import { When } from "../widgets";

/** The words for a state of an incident. */
export function isOpen(incident: Pick<Incident, "state">): boolean {
  return ["open", "updated", "reopened", "provisional"].includes(incident.state);
}

/** What an incident is about, in one text of the stream, or its message if it has no text. */
export function titleOf(incident: Incident): string {
  if (incident.kind === "drift") return incident.message;
  return incident.examples[0]?.text ?? incident.message;
}

export function IncidentList(props: { incidents: Incident[]; pending: boolean }) {
  const list = useRef<HTMLUListElement>(null);
  const { open } = route.value;
  const known = props.incidents.some((one) => one.incident === open);
  const several = (state.value?.keys_total ?? 0) > 1;

  function pressed(event: KeyboardEvent) {
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a.incident") ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at - 1,
      k: at - 1,
      Home: 0,
      End: links.length - 1,
    };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    links[Math.min(Math.max(next, 0), links.length - 1)]?.focus();
  }

  return (
    <ul ref={list} class={props.pending ? "incidents pending" : "incidents"} onKeyDown={pressed}>
      {props.incidents.map((one, index) => (
        <li key={one.incident}>
          <a
            class={one.incident === open ? "incident opened" : "incident"}
            href={format({ ...route.value, open: one.incident })}
            tabIndex={one.incident === open || (!known && index === 0) ? 0 : -1}
            aria-current={one.incident === open ? "true" : undefined}
            onClick={(event) => {
              if (event.ctrlKey || event.metaKey || event.shiftKey) return;
              event.preventDefault();
              go({ open: one.incident });
            }}
          >
            <Line incident={one} several={several} />
          </a>
        </li>
      ))}
    </ul>
  );
}

function Line(props: { incident: Incident; several: boolean }) {
  const { incident } = props;
  const drift = incident.kind === "drift";
  return (
    <>
      <span class="incident-head">
        <StateMark incident={incident} />
        <span class="incident-time">
          <When at={incident.first_ts} /> – <When at={incident.last_ts} withDay={false} />
        </span>
        {props.several ? (
          <span class="incident-key">
            <StreamText text={incident.key.slice(0, 60)} limit={10} />
          </span>
        ) : null}
        <MarkBadge mark={incident.mark?.mark ?? null} />
      </span>
      <span class="incident-title">
        <StreamText text={titleOf(incident).slice(0, 400)} limit={40} />
      </span>
      <span class="incident-figures">
        <span>
          <b>{count(incident.count)}</b> {drift ? "win." : incident.count === 1 ? "event" : "events"}
        </span>
        <span>
          peak <b>{score(incident.peak, 1)}</b>
        </span>
      </span>
    </>
  );
}

export function StateMark(props: { incident: Incident }) {
  const { incident } = props;
  const open = isOpen(incident);
  const kind = incident.kind === "drift" ? "drift" : "events";
  return (
    <span class={open ? "standing open" : "standing"}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
        {kind === "drift" ? <path d="M6 1.5L10.8 10H1.2Z" /> : <circle cx="6" cy="6" r="4" />}
      </svg>
      {kind === "drift" ? "drift " : ""}
      {open ? "open" : incident.state === "updated" ? "open" : incident.state}
    </span>
  );
}

export function MarkBadge(props: { mark: "expected" | "real" | "none" | null }) {
  if (!props.mark || props.mark === "none") return null;
  return <span class={`mark ${props.mark}`}>{props.mark}</span>;
}
