import { batch } from "@preact/signals";
import * as api from "./api";
import { merged, pause } from "./live_state";
import { connection, refusal, state, turn } from "./store";
import type { State } from "./types";

let failures = 0;
let readAt = 0;

/** Returns whether the server has read its outputs. A server that has just started leaves the page as it is. */
async function read(): Promise<boolean> {
  const answer = await api.state();
  if (!answer.loaded && state.value?.events) {
    connection.value = "connecting";
    return false;
  }
  readAt = performance.now();
  batch(() => {
    state.value = answer;
    connection.value = "live";
    turn.value += 1;
  });
  return true;
}

function retry(): void {
  failures += 1;
  setTimeout(start, pause(failures));
}

/** Reads the state, then follows the server's updates; goes on by itself when the server was away. */
export async function start(): Promise<void> {
  try {
    if (!(await read())) {
      setTimeout(start, 300);
      return;
    }
  } catch (error) {
    if (error instanceof api.ApiError && error.status >= 400 && error.status < 500) {
      refusal.value = error.message;
      connection.value = "refused";
    } else {
      connection.value = "gone";
    }
    retry();
    return;
  }
  failures = 0;
  const source = new EventSource("/api/updates");
  source.addEventListener("state", (message: MessageEvent<string>) => {
    const before = state.value;
    if (!before) return;
    const update = JSON.parse(message.data) as Partial<State>;
    const after = merged(before, update);
    const changed = after.generation !== before.generation;
    batch(() => {
      state.value = after;
      if (changed) turn.value += 1;
    });
    // Keys, columns and counts come with the whole state only.
    if (changed && (!before.events || performance.now() - readAt > 3000)) {
      readAt = performance.now();
      api.state().then(
        (whole) => {
          state.value = whole;
        },
        () => {},
      );
    }
  });
  source.addEventListener("error", () => {
    source.close();
    connection.value = "gone";
    retry();
  });
}
