import type {
  EventDetail,
  Incident,
  IncidentDetail,
  Incidents,
  Mark,
  Metrics,
  Row,
  Rows,
  State,
  Time,
} from "./types";

/** An answer of the server that is not what was asked for, with a sentence to show. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | null | undefined>;

function address(path: string, query: Query = {}): string {
  const all = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(all.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function answer(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  const said =
    typeof body === "object" && body !== null && "error" in body ? String(body.error) : response.statusText;
  throw new ApiError(response.status, said || `The server answered with status ${response.status}.`);
}

async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const init = signal ? { signal } : {};
  return (await answer(fetch(address(path, query), init))).json() as Promise<T>;
}

async function post<T>(path: string, body: unknown): Promise<T> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  return (await answer(fetch(path, init))).json() as Promise<T>;
}

export const state = () => get<State>("/api/state");
export const rows = (query: Query, signal?: AbortSignal) => get<Rows>("/api/rows", query, signal);
export const event = (key: string, id: string) => get<EventDetail>("/api/event", { key, id });
export const incidents = (query: Query) => get<Incidents>("/api/incidents", query);
export const incident = (id: string) => get<IncidentDetail>(`/api/incidents/${encodeURIComponent(id)}`);
export const time = (query: Query) => get<Time>("/api/time", query);
export const metrics = (query: Query) => get<Metrics>("/api/metrics", query);
export const textOf = async (row: number) => (await get<{ text: string }>("/api/text", { row })).text;
export const select = async (chosen: number[]) =>
  (await post<{ selection: string }>("/api/selections", { rows: chosen })).selection;

export async function position(row: Row, query: Query): Promise<number | null> {
  const { key, window_start, id, revision } = row;
  const identity = { row_key: key, window_start, id, revision };
  return (await get<{ offset: number | null }>("/api/position", { ...query, ...identity })).offset;
}

export interface MarkRequest {
  incident: Incident["incident"];
  mark: Mark["mark"];
  everywhere: boolean;
  note: string;
  by: string;
  until: number | null;
}

export const mark = (request: MarkRequest) => post<Mark>("/api/marks", request);

/** The Arrow IPC stream of the map, or null if the flow stored no embeddings. */
export async function map(query: Query): Promise<Uint8Array> {
  return new Uint8Array(await (await answer(fetch(address("/api/map", query)))).arrayBuffer());
}

export interface Metric {
  name: string;
  labels?: Record<string, string>;
  value: number | null;
  rate: number | null;
  unit: string | null;
}

export interface Health {
  reachable: boolean;
  message: string | null;
  stages: { stage: string; metrics: Metric[] }[];
  triton: { model: string; version: string; metrics: Metric[] }[];
  read_at: number | null;
}

export const health = () => get<Health>("/api/health");

export interface Comparison {
  a: string;
  b: string;
  only_a: Incident[];
  only_b: Incident[];
  both: { a: Incident; b: Incident; changes: string[] }[];
  ranks: {
    key: string;
    id: string;
    window_start: number;
    text: string;
    a: number | null;
    b: number | null;
  }[];
}

export const compare = (query: Query) => get<Comparison>("/api/compare", query);
