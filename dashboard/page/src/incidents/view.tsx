import { useState } from "preact/hooks";
import * as api from "../api";
import { useAnswer } from "../data";
import { count, percent, plural } from "../format";
import { Chips, KeyChoice, TimeChoice } from "../shell/filters";
import { go, route, state, turn } from "../store";
import type { Precision } from "../types";
import { filterOf, type Route } from "../url";
import { Choice, Notice } from "../widgets";
import { IncidentPanel } from "./detail";
import { IncidentList } from "./list";

const PAGE = 200;
export function IncidentsView() {
  const [limit, setLimit] = useState(PAGE);
  const [marks, setMarks] = useState(0);
  const { kind, state: standing, mark, open } = route.value;
  const { key, from, to } = filterOf(route.value);
  const query = { key, from, to, kind, state: standing, mark };
  const asked = JSON.stringify([query, limit]);
  const { data, error, pending } = useAnswer(asked, turn.value + marks, () =>
    api.incidents({ ...query, offset: 0, limit }),
  );
  return (
    <>
      <div class="filters">
        <Choices route={route.value} />
        <KeyChoice />
        <TimeChoice />
        <Chips times />
        <span class="spacer" />
        {data ? <PrecisionBar precision={data.precision} /> : null}
        {data && data.precision.real + data.precision.expected > 0 ? (
          <a class="link" href="/api/labels.jsonl" download="labels.jsonl">
            Export labels
          </a>
        ) : null}
      </div>
      <div class={open ? "split with-detail" : "split"}>
        <div class="list-frame">
          {error ? (
            <Notice title="The incidents cannot be shown" kind="warning">
              <p>{error}</p>
            </Notice>
          ) : null}
          {data?.incidents.length ? <IncidentList incidents={data.incidents} pending={pending} /> : null}
          {data && data.total > data.incidents.length ? (
            <button type="button" class="more" onClick={() => setLimit(limit + PAGE)}>
              Show more of {count(data.total)}
            </button>
          ) : null}
          {data && !data.incidents.length ? (
            <None filtered={Boolean(kind || standing || mark || key || from)} />
          ) : null}
          {!data && !error ? <Notice title="Reading the incidents" busy /> : null}
        </div>
        {open ? <IncidentPanel id={open} marked={() => setMarks((n) => n + 1)} marks={marks} /> : null}
      </div>
    </>
  );
}

function None(props: { filtered: boolean }) {
  if (props.filtered) {
    return (
      <Notice title="No incident passes the filters">
        <button
          type="button"
          class="link"
          onClick={() => go({ kind: null, state: null, mark: null, key: null, from: null, to: null })}
        >
          Show all
        </button>
      </Notice>
    );
  }
  return (
    <Notice title="No incident so far">
      <p>
        An incident opens when events are rarer than the budget of alerts allows. A quiet list is a good list.
      </p>
    </Notice>
  );
}

function Choices(props: { route: Route }) {
  const { state: standing, kind, mark } = props.route;
  const any = "any" as const;
  return (
    <>
      <Choice
        folds
        label="State"
        value={standing ?? any}
        options={[
          [any, "all states"],
          ["open", `open ${state.value?.incidents.open ?? ""}`],
          ["closed", `closed ${state.value?.incidents.closed ?? ""}`],
        ]}
        choose={(value) => go({ state: value === any ? null : value })}
      />
      <Choice
        folds
        label="Kind"
        value={kind ?? any}
        options={[
          [any, "all kinds"],
          ["events", "events"],
          ["drift", "drift"],
        ]}
        choose={(value) => go({ kind: value === any ? null : value })}
      />
      <Choice
        folds
        label="Mark"
        value={mark ?? any}
        options={[
          [any, "any mark"],
          ["real", "real"],
          ["expected", "expected"],
          ["none", "unmarked"],
        ]}
        choose={(value) => go({ mark: value === any ? null : value })}
      />
    </>
  );
}

/** The share of the marked incidents that are real: the precision at the budget of the flow. */
export function PrecisionBar(props: { precision: Precision }) {
  const { real, expected, unmarked, share } = props.precision;
  const all = real + expected + unmarked;
  if (!all) return null;
  const said =
    share === null
      ? `${plural(all, "incident")} of events, none marked yet`
      : `${real} real, ${expected} expected, ${unmarked} unmarked`;
  return (
    <div
      class="precision"
      title="Of the marked incidents, the share that is real: the precision at the budget"
    >
      <span class="precision-share">{share === null ? "Precision –" : `Precision ${percent(share)}`}</span>
      <svg width="96" height="8" viewBox="0 0 96 8" aria-hidden="true">
        <rect class="p-none" width="96" height="8" rx="2" />
        <rect class="p-real" width={(96 * real) / all} height="8" rx="2" />
        <rect class="p-expected" x={(96 * real) / all} width={(96 * expected) / all} height="8" />
      </svg>
      <span class="precision-said">{said}</span>
    </div>
  );
}
