import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLate, useSize } from "../data";
import { count, plural } from "../format";
import { announced, go, narrow, route, state } from "../store";
import type { Row } from "../types";
import { filterOf, isFiltered } from "../url";
import { Notice } from "../widgets";
import { columnsFor } from "./columns";
import { Heads, RowLine } from "./lines";
import { identity } from "./rows";
import { drawn, height, type Position, placed, revealed, scrolled } from "./scroll";
import { Slots } from "./slots";
import { type Anchor, useRows } from "./use_rows";

const HEAD = 30;

/** The rows: a grid with the keyboard's focus on one row, and only the rows in view in the document. */
export function Table() {
  const { ref, width, height: all } = useSize<HTMLDivElement>();
  const [position, setPosition] = useState<Position>({ scrollTop: 0, top: 0 });
  const [active, setActive] = useState<{ index: number; identity: string } | null>(null);
  const [fresh, setFresh] = useState(0);
  const rowHeight = narrow.value ? 74 : 30;
  const head = narrow.value ? 0 : HEAD;
  const now = useRef({ position, active, rowHeight });
  now.current = { position, active, rowHeight };

  const { sort, order } = route.value;
  const query = { ...filterOf(route.value), sort, order };
  const rows = useRows(
    query,
    () => anchorNow(),
    (moved, first) => {
      if (first) {
        place(0);
        setActive(null);
        setFresh(0);
      } else if (moved) {
        place(now.current.position.top + moved * now.current.rowHeight);
        setActive((one) => one && { ...one, index: one.index + moved });
        setFresh((n) => Math.max(n + moved, 0));
      }
    },
  );
  const late = useLate(rows.pending);
  const total = rows.pages?.total ?? 0;
  const extent = { rows: total, rowHeight, viewport: Math.max(all - head, 0) };
  const extentNow = useRef(extent);
  extentNow.current = extent;
  const { first, end } = drawn(position.top, extent);

  function anchorNow(): Anchor {
    const { position: at, active: one } = now.current;
    const range = drawn(at.top, extentNow.current);
    const held = at.top > rowHeight / 2 || one !== null || route.value.event !== null;
    const index = Math.ceil(at.top / rowHeight - 0.01);
    const row = held ? rows.pages?.at(index) : undefined;
    return { ...range, row: row ? { row, index } : null };
  }

  // The element is as high as the new rows make it only after they are drawn: scroll it then.
  const wanted = useRef<number | null>(null);
  function place(top: number) {
    wanted.current = top;
    setPosition((before) => ({ ...before, top }));
  }
  useLayoutEffect(() => {
    const element = ref.current;
    const from = now.current.position;
    if (wanted.current === 0 && from.top === 0 && from.scrollTop === 0) wanted.current = null;
    if (!element || wanted.current === null) return;
    const to = placed(wanted.current, extentNow.current);
    wanted.current = null;
    element.scrollTop = to.scrollTop;
    const { scrollTop } = element;
    setPosition((at) => (at.scrollTop === scrollTop && at.top === to.top ? at : { scrollTop, top: to.top }));
  });

  useEffect(() => {
    if (!rows.pending) rows.ensure(first, end);
  }, [first, end, rows.pages?.generation, rows.pending]);
  useEffect(() => {
    if (!rows.pending && rows.pages) announced.value = plural(total, "row");
  }, [rows.pages]);

  function activate(index: number) {
    const row = rows.pages?.at(index);
    const to = Math.min(Math.max(index, 0), Math.max(total - 1, 0));
    setActive({ index: to, identity: row ? identity(row) : "" });
    const top = revealed(to, now.current.position.top, extentNow.current);
    if (top !== now.current.position.top) place(top);
  }

  function open(row: Row | undefined) {
    if (row) go({ event: { key: row.key, id: row.id } });
  }

  function pressed(event: KeyboardEvent) {
    const page = Math.max(Math.floor(extent.viewport / rowHeight) - 1, 1);
    const at = active?.index ?? -1;
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at - 1,
      k: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: total - 1,
    };
    const next = to[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = /^(Arrow|[jk]$)/.test(event.key);
    if (next !== undefined) activate(at < 0 && step ? Math.ceil(position.top / rowHeight) : next);
    else if (event.key === "Enter" && at >= 0) open(rows.pages?.at(at));
    else if (event.key === "Escape" && !route.value.event && active) setActive(null);
    else return;
    event.preventDefault();
  }

  const chosen = useRef<(index: number) => void>(() => {});
  chosen.current = (index) => {
    activate(index);
    open(rows.pages?.at(index));
  };
  const choose = useCallback((index: number) => chosen.current(index), []);

  const { columns: present = [], keys_total: keys = 0 } = state.value ?? {};
  const columns = useMemo(() => columnsFor(width, present, keys), [width, present.join(), keys > 1]);
  const { event: opened } = route.value;
  const template = columns.map((column) => column.width).join(" ");
  const shownRows = Array.from({ length: Math.max(end - first, 0) }, (_, i) => first + i);
  const slots = useMemo(() => new Slots(), []).for(
    shownRows.map((index) => {
      const row = rows.pages?.at(index);
      return row ? identity(row) : `none-${index}`;
    }),
  );
  const activeId = active && active.index >= first && active.index < end ? `row-${active.index}` : undefined;
  return (
    <div class="table-frame">
      {fresh > 0 ? (
        <button
          type="button"
          class="fresh"
          onClick={() => {
            setFresh(0);
            setActive(null);
            place(0);
          }}
        >
          ↑ {count(fresh)} new
        </button>
      ) : null}
      <div
        ref={ref}
        class={late ? "grid pending" : "grid"}
        role="grid"
        tabIndex={0}
        aria-label="Scored events"
        aria-rowcount={total + 1}
        aria-colcount={columns.length}
        aria-activedescendant={activeId}
        aria-busy={rows.pending}
        style={{ "--columns": template, "--row": `${rowHeight}px` }}
        onKeyDown={pressed}
        onScroll={(event) => {
          const to = scrolled(now.current.position, event.currentTarget.scrollTop, extentNow.current);
          if (to.top < rowHeight / 2) setFresh(0);
          setPosition(to);
        }}
      >
        <Heads columns={columns} />
        <div class="rows" role="rowgroup" style={{ height: `${height(extent)}px` }}>
          {shownRows.map((index, i) => {
            const row = rows.pages?.at(index);
            return (
              <RowLine
                key={slots[i]}
                index={index}
                row={row}
                before={index ? rows.pages?.at(index - 1) : undefined}
                columns={columns}
                at={index * rowHeight - position.top + position.scrollTop}
                active={active?.index === index}
                opened={row !== undefined && opened?.id === row.id && opened.key === row.key}
                byWindow={sort === "window"}
                choose={choose}
              />
            );
          })}
        </div>
      </div>
      {rows.pages && !rows.pending && total === 0 ? <Nothing /> : null}
      {rows.error && !rows.pages ? (
        <Notice title="The rows cannot be shown" kind="warning">
          <p>{rows.error}</p>
        </Notice>
      ) : null}
    </div>
  );
}

function Nothing() {
  return (
    <Notice title={isFiltered(route.value) ? "No row passes the filters" : "There are no rows yet"}>
      {isFiltered(route.value) ? <p>Remove a filter, or choose a longer time.</p> : null}
    </Notice>
  );
}
