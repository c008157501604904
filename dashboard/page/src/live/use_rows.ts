import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import * as api from "../api";
import { turn } from "../store";
import type { Row } from "../types";
import { RowPages } from "./rows";

export interface Anchor {
  first: number;
  end: number;
  /** The row that must not move, or null to stay at the top. */
  row: { row: Row; index: number } | null;
}

/**
 * The rows of a query, which follow the stream. `anchor` says what is in view when new rows come; `moved` is
 * called with the number of rows that came before the anchor, at the moment when the rows are replaced.
 */
export function useRows(
  query: Record<string, string>,
  anchor: () => Anchor,
  moved: (rows: number, fresh: boolean) => void,
) {
  const key = JSON.stringify(query);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const shown = useRef<{ key: string; pages: RowPages } | null>(null);
  const error = useRef<string | null>(null);
  const calls = useRef({ anchor, moved });
  calls.current = { anchor, moved };

  const next = useMemo(() => {
    const abort = new AbortController();
    const pages = new RowPages({
      rows: (offset, limit) => api.rows({ ...query, offset, limit }, abort.signal),
      position: (row) => api.position(row, query),
    });
    return { key, pages, abort };
  }, [key]);

  useEffect(() => {
    let stopped = false;
    let busy = false;
    let again = false;
    const run = async () => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      try {
        const first = shown.current?.pages !== next.pages;
        const at = first ? { first: 0, end: 60, row: null } : calls.current.anchor();
        const rows = await next.pages.refresh(at.first, at.end, at.row);
        if (stopped) return;
        error.current = null;
        shown.current = next;
        calls.current.moved(rows, first);
      } catch (problem) {
        if (stopped) return;
        error.current = problem instanceof Error ? problem.message : String(problem);
      } finally {
        busy = false;
      }
      draw(0);
      if (again && !stopped) {
        again = false;
        void run();
      }
    };
    const stop = turn.subscribe(() => void run());
    return () => {
      stopped = true;
      stop();
      next.abort.abort();
    };
  }, [next]);

  const pages = shown.current?.pages ?? null;
  return {
    pages,
    /** Whether the rows are those of an earlier query. */
    pending: shown.current?.key !== key,
    error: error.current,
    ensure(first: number, end: number) {
      pages?.ensure(first, end).then(
        (came) => came && draw(0),
        () => {}, // the banner says that the server does not answer
      );
    },
  };
}
