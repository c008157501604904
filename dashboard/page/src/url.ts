import { iso, parseTime } from "./format";
import type { Micros } from "./types";

export const VIEWS = ["live", "incidents", "time", "map", "health", "compare"] as const;
export type ViewName = (typeof VIEWS)[number];
export const SORTS = ["window", "anomaly", "p_value", "score", "novelty", "surge", "rarity", "ts"] as const;
export type Sort = (typeof SORTS)[number];
export type Order = "asc" | "desc";

/** What the page shows. The whole of it stands in the address, so that a view can be shared. */
export interface Route {
  view: ViewName;
  key: string | null;
  from: Micros | null;
  to: Micros | null;
  text: string | null;
  cluster: number | null;
  incident: string | null;
  window: Micros | null;
  selection: string | null;
  revisions: "latest" | "all";
  sort: Sort;
  order: Order;
  /** The event whose detail is open. */
  event: { key: string; id: string } | null;
  /** The incident whose detail is open. */
  open: string | null;
  kind: "events" | "drift" | null;
  state: "open" | "closed" | null;
  mark: "real" | "expected" | "none" | null;
}

export const START: Route = {
  view: "live",
  key: null,
  from: null,
  to: null,
  text: null,
  cluster: null,
  incident: null,
  window: null,
  selection: null,
  revisions: "latest",
  sort: "window",
  order: "desc",
  event: null,
  open: null,
  kind: null,
  state: null,
  mark: null,
};

function one<T extends string>(value: string | null, allowed: readonly T[]): T | null {
  return allowed.find((candidate) => candidate === value) ?? null;
}

/** The route of an address. A part that cannot be read is left out. */
export function parse(search: string): Route {
  const query = new URLSearchParams(search);
  const time = (name: string) => {
    const text = query.get(name);
    return text ? parseTime(text) : null;
  };
  const cluster = query.get("cluster");
  const id = query.get("event");
  return {
    view: one(query.get("view"), VIEWS) ?? "live",
    key: query.get("key"),
    from: time("from"),
    to: time("to"),
    text: query.get("text") || null,
    cluster: cluster !== null && /^-?\d{1,9}$/.test(cluster) ? Number(cluster) : null,
    incident: query.get("incident"),
    window: time("window"),
    selection: query.get("selection"),
    revisions: one(query.get("revisions"), ["all"]) ?? "latest",
    sort: one(query.get("sort"), SORTS) ?? "window",
    order: one(query.get("order"), ["asc"]) ?? "desc",
    event: id === null ? null : { key: query.get("event_key") ?? "", id },
    open: query.get("open"),
    kind: one(query.get("kind"), ["events", "drift"]),
    state: one(query.get("state"), ["open", "closed"]),
    mark: one(query.get("mark"), ["real", "expected", "none"]),
  };
}

/** The address of a route: `?` and what differs from the start. */
export function format(route: Route): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string | number | null) => {
    if (value !== null && value !== START[name as keyof Route]) query.set(name, String(value));
  };
  for (const name of ["view", "key", "text", "cluster", "incident", "selection"] as const)
    put(name, route[name]);
  for (const name of ["from", "to", "window"] as const)
    put(name, route[name] === null ? null : iso(route[name]));
  for (const name of ["revisions", "sort", "order", "open", "kind", "state", "mark"] as const) {
    put(name, route[name]);
  }
  if (route.event) {
    query.set("event", route.event.id);
    query.set("event_key", route.event.key);
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** The filters of a route as parameters of the server. */
export function filterOf(route: Route, but: readonly (keyof Route)[] = []): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of ["key", "from", "to", "text", "cluster", "incident", "window", "selection"] as const) {
    const value = route[name];
    if (value !== null && !but.includes(name)) out[name] = String(value);
  }
  if (route.revisions === "all") out.revisions = "all";
  return out;
}

/** Whether the view filters anything. */
export function isFiltered(route: Route): boolean {
  return Object.keys(filterOf(route)).length > 0;
}

export const CLEAR: Partial<Route> = {
  key: null,
  from: null,
  to: null,
  text: null,
  cluster: null,
  incident: null,
  window: null,
  selection: null,
  revisions: "latest",
};
