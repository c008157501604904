import { Filters } from "../shell/filters";
import { go, narrow, route, state } from "../store";
import { type Order, SORTS, type Sort } from "../url";
import { EventPanel } from "./detail";
import { Table } from "./table";

const SORT_NAMES: Record<Sort, string> = {
  window: "newest window",
  anomaly: "highest anomaly",
  p_value: "lowest p-value",
  score: "highest score",
  novelty: "highest novelty",
  surge: "highest surge",
  rarity: "highest rarity",
  ts: "newest event",
};

export function LiveView() {
  return (
    <>
      <Filters>
        {narrow.value ? <SortChoice /> : null}
        <label class="tick">
          <input
            type="checkbox"
            checked={route.value.revisions === "all"}
            onChange={(event) => go({ revisions: event.currentTarget.checked ? "all" : "latest" })}
          />
          all revisions
        </label>
      </Filters>
      <div class={route.value.event ? "split with-detail" : "split"}>
        <Table />
        {route.value.event ? <EventPanel /> : null}
      </div>
    </>
  );
}

function SortChoice() {
  const present = state.value?.columns ?? [];
  const sorts = SORTS.filter((sort) => sort === "window" || sort === "ts" || present.includes(sort));
  return (
    <label class="field">
      <span class="unseen">Order</span>
      <select
        value={route.value.sort}
        onChange={(event) => {
          const sort = event.currentTarget.value as Sort;
          const order: Order = sort === "p_value" ? "asc" : "desc";
          go({ sort, order });
        }}
      >
        {sorts.map((sort) => (
          <option key={sort} value={sort}>
            {SORT_NAMES[sort]}
          </option>
        ))}
      </select>
    </label>
  );
}
