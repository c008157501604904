import type { ComponentChildren } from "preact";
import * as api from "../api";
import { useAnswer } from "../data";
import { count, plural, score } from "../format";
import { titleOf } from "../incidents/list";
import { Filters } from "../shell/filters";
import { go, route, turn } from "../store";
import { StreamText } from "../text";
import type { Incident } from "../types";
import { filterOf } from "../url";
import { Notice, When } from "../widgets";
import "../style/compare.css";

const RANKS = 100;

/** Two outputs side by side: the incidents that only one has, those of both, and what is ranked otherwise. */
export function CompareView() {
  const { key, from, to } = filterOf(route.value);
  const query = { key, from, to };
  const { data, error, pending } = useAnswer(JSON.stringify(query), turn.value, () => api.compare(query));
  return (
    <>
      <Filters plain />
      <section
        class={pending && data ? "compare pending" : "compare"}
        aria-label="Comparison of two outputs"
        tabIndex={0}
      >
        {error ? (
          <Notice title="The outputs cannot be compared" kind="warning">
            <p>{error}</p>
          </Notice>
        ) : null}
        {!data && !error ? <Notice title="Comparing the outputs" busy /> : null}
        {data && !error ? <Comparison data={data} /> : null}
      </section>
    </>
  );
}

function Comparison(props: { data: api.Comparison }) {
  const { data } = props;
  return (
    <>
      <dl class="sides">
        <div>
          <dt>A</dt>
          <dd>
            <StreamText text={data.a} />
          </dd>
        </div>
        <div>
          <dt>B</dt>
          <dd>
            <StreamText text={data.b} />
          </dd>
        </div>
      </dl>
      <div class="columns">
        <Side title="Only in A" incidents={data.only_a} opens />
        <Side title="Only in B" incidents={data.only_b} />
      </div>
      <Both pairs={data.both} />
      <Ranks ranks={data.ranks} />
    </>
  );
}

function Part(props: { title: string; number: number; children: ComponentChildren }) {
  return (
    <section class="part">
      <h2>
        {props.title} <span class="note">{count(props.number)}</span>
      </h2>
      {props.children}
    </section>
  );
}

function Side(props: { title: string; incidents: Incident[]; opens?: boolean }) {
  return (
    <Part title={props.title} number={props.incidents.length}>
      {props.incidents.length ? null : <p class="note">no incident</p>}
      <ul>
        {props.incidents.slice(0, RANKS).map((one) => (
          <li key={one.incident} class="compared">
            <Title incident={one} opens={props.opens ?? false} />
            <span class="note">
              <When at={one.first_ts} />, {plural(one.count, one.kind === "drift" ? "window" : "event")}, peak{" "}
              {score(one.peak, 1)}
            </span>
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** Incidents of B are in no other view. */
function Title(props: { incident: Incident; opens: boolean }) {
  const text = <StreamText text={titleOf(props.incident).slice(0, 300)} limit={30} />;
  if (!props.opens) return <span class="compared-title">{text}</span>;
  return (
    <button
      type="button"
      class="link text compared-title"
      onClick={() => go({ view: "incidents", open: props.incident.incident })}
    >
      {text}
    </button>
  );
}

const CHANGES: Record<string, (one: Incident) => string> = {
  state: (one) => one.state,
  count: (one) => count(one.count),
  peak: (one) => score(one.peak, 2),
};

function Both(props: { pairs: api.Comparison["both"] }) {
  return (
    <Part title="In both" number={props.pairs.length}>
      {props.pairs.length ? (
        <div class="scroll-x">
          <table>
            <thead>
              <tr>
                <th>incident</th>
                <th>first</th>
                <th class="number">events, A → B</th>
                <th class="number">peak, A → B</th>
                <th>state, A → B</th>
              </tr>
            </thead>
            <tbody>
              {props.pairs.slice(0, RANKS).map(({ a, b, changes }) => (
                <tr key={a.incident}>
                  <td class="grow">
                    <Title incident={a} opens />
                  </td>
                  <td>
                    <When at={a.first_ts} />
                  </td>
                  {["count", "peak", "state"].map((name) => (
                    <td key={name} class={name === "state" ? "" : "number"}>
                      <Change
                        before={CHANGES[name]?.(a) ?? ""}
                        after={CHANGES[name]?.(b) ?? ""}
                        is={changes.includes(name)}
                      />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="note">no incident</p>
      )}
    </Part>
  );
}

function Change(props: { before: string; after: string; is: boolean }) {
  if (!props.is || props.before === props.after) return <span class="note">{props.before}</span>;
  return (
    <>
      {props.before} → <b>{props.after}</b>
    </>
  );
}

function Ranks(props: { ranks: api.Comparison["ranks"] }) {
  const rank = (value: number | null) => (value === null ? "–" : count(value + 1));
  return (
    <Part title="Ranks of the most unusual rows" number={props.ranks.length}>
      <div class="scroll-x">
        <table>
          <thead>
            <tr>
              <th class="number">A</th>
              <th class="number">B</th>
              <th class="number">change</th>
              <th>window from</th>
              <th>text</th>
            </tr>
          </thead>
          <tbody>
            {props.ranks.slice(0, RANKS).map((one) => (
              <tr key={JSON.stringify([one.key, one.id, one.window_start])}>
                <td class="number">{rank(one.a)}</td>
                <td class="number">{rank(one.b)}</td>
                <td class="number">
                  <Moved a={one.a} b={one.b} />
                </td>
                <td>
                  <When at={one.window_start} />
                </td>
                <td class="grow">
                  <button
                    type="button"
                    class="link text compared-title"
                    onClick={() => go({ view: "live", event: { key: one.key, id: one.id } })}
                  >
                    <StreamText text={one.text.slice(0, 300)} limit={30} />
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {props.ranks.length > RANKS ? <p class="note">The first {RANKS} are shown.</p> : null}
    </Part>
  );
}

function Moved(props: { a: number | null; b: number | null }) {
  if (props.a === null) return <span class="only">only in B</span>;
  if (props.b === null) return <span class="only">only in A</span>;
  const by = props.a - props.b;
  if (by === 0) return <span class="note">=</span>;
  return (
    <span class={Math.abs(by) >= 10 ? "moved far" : "moved"}>
      {by > 0 ? "↑" : "↓"} {count(Math.abs(by))}
    </span>
  );
}
