import { memo } from "preact/compat";
import { go, narrow, route } from "../store";
import type { Row } from "../types";
import type { Order, Sort } from "../url";
import type { Column } from "./columns";

/** The order that a click on a column's head asks for. */
export function nextOrder(sort: Sort, current: { sort: Sort; order: Order }): Order {
  const first: Order = sort === "p_value" ? "asc" : "desc";
  if (current.sort !== sort) return first;
  return current.order === "desc" ? "asc" : "desc";
}

export function Heads(props: { columns: Column[] }) {
  const { sort, order } = route.value;
  return (
    <div class={narrow.value ? "heads unseen" : "heads"} role="rowgroup">
      <div class="line" role="row" aria-rowindex={1}>
        {props.columns.map((column) => {
          const sorted = column.sort === sort;
          return (
            <div
              key={column.id}
              class={`cell ${column.id}${column.number ? " number" : ""}`}
              role="columnheader"
              aria-sort={sorted ? (order === "asc" ? "ascending" : "descending") : undefined}
            >
              {column.sort ? (
                <button
                  type="button"
                  title={column.about}
                  class={sorted ? "sorted" : ""}
                  tabIndex={narrow.value ? -1 : 0}
                  onClick={() => {
                    const by = column.sort as Sort;
                    go({ sort: by, order: nextOrder(by, route.value) });
                  }}
                >
                  {column.name}
                  <span class="arrow" aria-hidden="true">
                    {sorted ? (order === "asc" ? "↑" : "↓") : ""}
                  </span>
                </button>
              ) : (
                <span title={column.about}>{column.name}</span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A row. It is drawn again only if one of these is another one. */
export const RowLine = memo(function RowLine(props: {
  index: number;
  row: Row | undefined;
  before: Row | undefined;
  columns: Column[];
  /** Pixels from the top of the element. */
  at: number;
  active: boolean;
  /** Whether the event of the row is open. */
  opened: boolean;
  byWindow: boolean;
  choose: (index: number) => void;
}) {
  const { row, before, opened } = props;
  const starts = props.byWindow && before && row && before.window_start !== row.window_start;
  const names = ["line", "body"];
  if (opened) names.push("opened");
  if (props.active) names.push("active");
  if (starts) names.push("starts");
  return (
    <div
      id={`row-${props.index}`}
      class={names.join(" ")}
      role="row"
      aria-rowindex={props.index + 2}
      aria-selected={opened}
      style={{ transform: `translateY(${props.at}px)` }}
      onClick={() => {
        // A click that ends the selection of a text opens nothing.
        if (getSelection()?.isCollapsed ?? true) props.choose(props.index);
      }}
    >
      {props.columns.map((column) => (
        <div key={column.id} class={`cell ${column.id}${column.number ? " number" : ""}`} role="gridcell">
          {row ? column.cell(row, props.byWindow ? before : undefined) : <span class="bone" />}
        </div>
      ))}
    </div>
  );
});
