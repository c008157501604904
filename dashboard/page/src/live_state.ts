import type { State } from "./types";

/** What an update changes in the state. */
export function merged(before: State, update: Partial<State>): State {
  return { ...before, ...update };
}

/** The pause in milliseconds before the connection is tried for the nth time. */
export function pause(failures: number): number {
  return Math.min(500 * 2 ** Math.min(failures, 10), 5000);
}
