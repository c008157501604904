import * as api from "../api";
import { useAnswer } from "../data";
import { count, micros, plural, pValue, score } from "../format";
import { Panel } from "../panel";
import { go, state, turn } from "../store";
import { StreamText } from "../text";
import type { Example, IncidentDetail } from "../types";
import { Notice, When } from "../widgets";
import { MarkBadge, StateMark, titleOf } from "./list";
import { MarkForm } from "./mark";

export function IncidentPanel(props: { id: string; marks: number; marked: () => void }) {
  const { data, error, pending } = useAnswer(props.id, turn.value + props.marks, () =>
    api.incident(props.id),
  );
  return (
    <Panel label="Incident" name={props.id} close={() => go({ open: null })}>
      {error ? (
        <Notice title="The incident cannot be shown" kind="warning">
          <p>{error}</p>
        </Notice>
      ) : null}
      {data && !error ? <Detail incident={data} pending={pending} marked={props.marked} /> : null}
      {!data && !error ? <Notice title="Reading the incident" busy /> : null}
    </Panel>
  );
}

function Detail(props: { incident: IncidentDetail; pending: boolean; marked: () => void }) {
  const { incident } = props;
  const drift = incident.kind === "drift";
  return (
    <article class={props.pending ? "detail pending" : "detail"}>
      <header>
        <p class="over">
          <StateMark incident={incident} />
          {(state.value?.keys_total ?? 0) > 1 ? (
            <>
              <span class="dot">·</span> <StreamText text={incident.key} limit={20} />
            </>
          ) : null}
          <MarkBadge mark={incident.mark?.mark ?? null} />
        </p>
        <h2 class="incident-name">
          <StreamText text={titleOf(incident).slice(0, 600)} limit={60} />
        </h2>
        <dl class="figures">
          <div class="loud">
            <dt>peak</dt>
            <dd>{score(incident.peak, 1)}</dd>
          </div>
          <div>
            <dt>{drift ? "windows" : "events"}</dt>
            <dd>{count(incident.count)}</dd>
          </div>
          <div>
            <dt>threshold</dt>
            <dd>{score(incident.threshold, 1)}</dd>
          </div>
          <div>
            <dt>p-value</dt>
            <dd>{pValue(incident.p_value)}</dd>
          </div>
          <div>
            <dt>first</dt>
            <dd>
              <When at={incident.first_ts} />
            </dd>
          </div>
          <div>
            <dt>last</dt>
            <dd>
              <When at={incident.last_ts} />
            </dd>
          </div>
        </dl>
        <Show incident={incident} />
      </header>
      <MarkForm key={incident.incident} incident={incident} marked={props.marked} />
      {incident.examples.length ? <Examples incident={incident} /> : null}
      <Changes incident={incident} />
    </article>
  );
}

/** Ways to the events: alerts name those of an incident, and the events of a drift are found by time. */
function Show(props: { incident: IncidentDetail }) {
  const { incident } = props;
  const events = incident.kind === "events";
  const ofTime = () =>
    go({
      view: "live",
      ...((state.value?.keys_total ?? 0) > 1 ? { key: incident.key } : {}),
      from: incident.first_ts,
      to: incident.last_ts + 1,
      window: null,
      incident: null,
      sort: "anomaly",
      order: "desc",
    });
  const itsOwn = () =>
    go({
      view: "live",
      incident: incident.incident,
      from: null,
      to: null,
      window: null,
      sort: "anomaly",
      order: "desc",
    });
  return (
    <p class="actions">
      <button type="button" class="button" onClick={events ? itsOwn : ofTime}>
        {events ? "Show its events" : "Show the events of its time"}
      </button>
      {events ? (
        <button type="button" class="link" onClick={ofTime}>
          all events of its time
        </button>
      ) : null}
      {incident.merged_into ? (
        <button type="button" class="link" onClick={() => go({ open: incident.merged_into })}>
          goes on in incident {incident.merged_into.slice(0, 8)}
        </button>
      ) : null}
      {events && incident.unnamed !== 0 ? <span class="note">{named(incident)}</span> : null}
    </p>
  );
}

/** What the list of the events lacks. */
function named(incident: IncidentDetail): string {
  const { unnamed, count: events } = incident;
  if (unnamed === null) return "An older flow wrote these alerts: only the examples are known.";
  return `The alerts name ${count(events - unnamed)} of its ${plural(events, "event")}.`;
}

function Examples(props: { incident: IncidentDetail }) {
  const { incident } = props;
  return (
    <section>
      <h3>
        {incident.kind === "drift"
          ? "Typical texts of the cluster that grew"
          : "Examples, and what is nearest to them"}
      </h3>
      <ol class="examples">
        {incident.examples.map((one) => (
          <li key={one.id}>
            <Beside example={one} keyOf={incident.key} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** An example beside the usual text that it was compared with. */
function Beside(props: { example: Example; keyOf: string }) {
  const { example } = props;
  return (
    <>
      <div class="beside came">
        <span class="beside-at">
          {example.anomaly === null ? null : <b>{score(example.anomaly, 1)}</b>}{" "}
          <When at={micros(example.ts)} />
        </span>
        <button
          type="button"
          class="link text"
          onClick={() => go({ view: "live", event: { key: props.keyOf, id: example.id } })}
        >
          <StreamText text={example.text.slice(0, 600)} limit={60} cut={example.text.length > 600} />
        </button>
      </div>
      {example.nearest === null ? null : (
        <div class="beside usual">
          <span class="beside-at">
            usual <When at={micros(example.nearest_ts)} />
          </span>
          <span class="text">
            <StreamText text={example.nearest.slice(0, 600)} limit={60} cut={example.nearest.length > 600} />
          </span>
        </div>
      )}
    </>
  );
}

function Changes(props: { incident: IncidentDetail }) {
  const { changes } = props.incident;
  if (!changes.length) return null;
  return (
    <section>
      <h3>What happened</h3>
      <div class="scroll-x">
        <table>
          <thead>
            <tr>
              <th>decided</th>
              <th>state</th>
              <th class="number">{props.incident.kind === "drift" ? "windows" : "events"}</th>
              <th class="number">peak</th>
            </tr>
          </thead>
          <tbody>
            {[...changes]
              .reverse()
              .slice(0, 100)
              .map((one) => (
                <tr key={one.sequence} title={one.message}>
                  <td>
                    <When at={one.decided} />
                  </td>
                  <td>{one.state}</td>
                  <td class="number">{count(one.count)}</td>
                  <td class="number">{score(one.peak, 1)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
