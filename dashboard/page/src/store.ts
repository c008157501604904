import { computed, signal } from "@preact/signals";
import type { Zone } from "./format";
import type { State } from "./types";
import { format, parse, type Route } from "./url";

export const route = signal<Route>(parse(location.search));

/** Goes to another view or filter. `replace` makes no entry in the history, as while a text is typed. */
export function go(change: Partial<Route>, options: { replace?: boolean } = {}): void {
  const next = { ...route.value, ...change };
  const address = location.pathname + format(next);
  if (address !== location.pathname + location.search) {
    if (options.replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  route.value = next;
}

addEventListener("popstate", () => {
  route.value = parse(location.search);
});

export const state = signal<State | null>(null);
/** Increases when the server has something new, and when it was started again. */
export const turn = signal(0);

export type Connection = "connecting" | "live" | "gone" | "refused";
export const connection = signal<Connection>("connecting");
/** What the server said when it refused. */
export const refusal = signal("");

function kept<T extends string>(name: string, start: T, allowed: readonly T[]) {
  const read = () => {
    try {
      return allowed.find((value) => value === localStorage.getItem(name)) ?? start;
    } catch {
      return start; // storage is switched off
    }
  };
  const value = signal<T>(read());
  return {
    value,
    set(next: T) {
      value.value = next;
      try {
        localStorage.setItem(name, next);
      } catch {
        // storage is switched off: the choice lasts as long as the page
      }
    },
  };
}

export const zoneChoice = kept<Zone>("zone", "local", ["local", "utc"]);
export const zone = zoneChoice.value;

export type Theme = "system" | "light" | "dark";
export const themeChoice = kept<Theme>("theme", "system", ["system", "light", "dark"]);

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener("change", () => {
  systemIsDark.value = systemDark.matches;
});
export const dark = computed(
  () => themeChoice.value.value === "dark" || (themeChoice.value.value === "system" && systemIsDark.value),
);

const narrowQuery = matchMedia("(max-width: 760px)");
export const narrow = signal(narrowQuery.matches);
narrowQuery.addEventListener("change", () => {
  narrow.value = narrowQuery.matches;
});

/** Whether the stream is longer than a day, so that times need their day. */
export const severalDays = computed(() => {
  const { first_ts: first, last_ts: last } = state.value ?? { first_ts: null, last_ts: null };
  return first !== null && last !== null && last - first > 20 * 3600e6;
});

export const helpOpen = signal(false);
/** A sentence that a screen reader says. */
export const announced = signal("");
