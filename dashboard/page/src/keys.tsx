import { useEffect, useRef } from "preact/hooks";
import { VIEW_NAMES, viewsOf } from "./shell/views";
import { go, helpOpen, route, state, zone, zoneChoice } from "./store";

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search the texts"],
  ["↑ ↓ or j k", "the next or the previous row"],
  ["PgUp PgDn Home End", "further away"],
  ["Enter", "open the row"],
  ["Esc", "close what is open"],
  ["1 2 3 …", "the views, in their order"],
  ["t", "your time zone, or UTC"],
  ["?", "this list"],
];

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function closeTop(): void {
  if (helpOpen.value) helpOpen.value = false;
  else if (route.value.event) go({ event: null });
  else if (route.value.open) go({ open: null });
}

function pressed(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (typing(event.target)) (event.target as HTMLElement).blur();
    closeTop();
    return;
  }
  if (typing(event.target)) return;
  const views = state.value ? viewsOf(state.value) : [];
  const view = views[Number(event.key) - 1];
  if (event.key === "/") {
    const search = document.querySelector<HTMLInputElement>("#search");
    if (!search) return;
    search.focus();
    search.select();
  } else if (event.key === "?") helpOpen.value = !helpOpen.value;
  else if (event.key === "t") zoneChoice.set(zone.value === "utc" ? "local" : "utc");
  else if (view) go({ view });
  else return;
  event.preventDefault();
}

/** Listens to the keys of the whole page. Returns what stops it. */
export function listen(): () => void {
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

/** The list of the keys. */
export function Keys() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = helpOpen.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const views = state.value ? viewsOf(state.value).map((view) => VIEW_NAMES[view]) : [];
  return (
    <dialog
      ref={dialog}
      class="keys"
      aria-labelledby="keys-title"
      onClose={() => {
        helpOpen.value = false;
      }}
    >
      <header>
        <h2 id="keys-title">Keys</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key
                .split(" ")
                .map((one) =>
                  /^(or|…)$/.test(one) ? (
                    <span key={one}>{one}</span>
                  ) : (
                    <kbd key={one}>{one.replace(",", "")}</kbd>
                  ),
                )}
            </dt>
            <dd>{key.startsWith("1") ? views.join(", ") : what}</dd>
          </div>
        ))}
      </dl>
      {state.value?.events && !state.value.embeddings ? (
        <p class="note keys-note">
          There is no map: the flow stores no embeddings. <code>sink.embeddings = true</code> stores them.
        </p>
      ) : null}
    </dialog>
  );
}
