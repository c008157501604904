import { useState } from "preact/hooks";
import * as api from "../api";
import { announced, state } from "../store";
import type { IncidentDetail, Mark } from "../types";
import { Choice, When } from "../widgets";

const ENDS: readonly (readonly [string, string])[] = [
  ["", "has no end"],
  ["1", "for a day"],
  ["7", "for a week"],
  ["30", "for 30 days"],
];

const SAYS: Record<Mark["mark"], string> = {
  real: "The flow keeps alerting, and events like these do not become usual.",
  expected: "The flow opens no incident for events like these.",
  none: "Takes the mark back.",
};

function remembered(): string {
  try {
    return localStorage.getItem("by") ?? "";
  } catch {
    return "";
  }
}

/** What a person says about the incident. The server writes it where the flow reads marks. */
export function MarkForm(props: { incident: IncidentDetail; marked: () => void }) {
  const { incident } = props;
  const before = incident.mark?.mark === "none" ? null : incident.mark;
  const [mark, setMark] = useState<Mark["mark"] | null>(before?.mark ?? null);
  const [note, setNote] = useState(before?.note ?? "");
  const [by, setBy] = useState(before?.by ?? remembered());
  const [days, setDays] = useState("");
  const [everywhere, setEverywhere] = useState(before ? before.key === null : false);
  const [sent, setSent] = useState<"no" | "busy" | "yes" | { error: string }>("no");
  const marks = state.value?.marks;
  if (incident.kind === "drift") return null;
  if (!marks?.writable) {
    return (
      <section class="marking">
        <h3>Mark</h3>
        <p class="note">
          Marks are read only: start the page with <code>--marks</code> and the file that{" "}
          <code>alert.marks</code> of the flow names.
        </p>
      </section>
    );
  }

  async function save(event: SubmitEvent) {
    event.preventDefault();
    if (!mark) return;
    setSent("busy");
    try {
      localStorage.setItem("by", by);
    } catch {
      // storage is switched off
    }
    // A mark counts in the time of the stream: of a stream that is over, from its end on.
    const { now = Date.now() * 1000, watermark = null } = state.value ?? {};
    const from = Math.min(now, watermark ?? now);
    const until = days ? from + Number(days) * 86400e6 : null;
    try {
      await api.mark({ incident: incident.incident, mark, everywhere, note, by, until });
      setSent("yes");
      announced.value = `Marked as ${mark}`;
      props.marked();
    } catch (error) {
      setSent({ error: error instanceof Error ? error.message : String(error) });
    }
  }

  const several = (state.value?.keys_total ?? 0) > 1;
  return (
    <section class="marking">
      <h3>Mark</h3>
      <form onSubmit={save}>
        <div class="marking-row">
          <Choice<Mark["mark"] | "">
            label="Mark as"
            value={mark ?? ""}
            options={
              before
                ? [
                    ["real", "Real"],
                    ["expected", "Expected"],
                    ["none", "No mark"],
                  ]
                : [
                    ["real", "Real"],
                    ["expected", "Expected"],
                  ]
            }
            choose={(value) => {
              setMark(value || null);
              setSent("no");
            }}
          />
          <span class="note">{mark ? SAYS[mark] : "Was it worth an alert?"}</span>
        </div>
        {mark && mark !== "none" ? (
          <div class="marking-fields">
            <label class="field grow">
              <span>Note</span>
              <input value={note} maxLength={1000} onInput={(event) => setNote(event.currentTarget.value)} />
            </label>
            <label class="field">
              <span>By</span>
              <input
                class="by"
                value={by}
                maxLength={100}
                onInput={(event) => setBy(event.currentTarget.value)}
              />
            </label>
            <label class="field">
              <span>Until</span>
              <select value={days} onChange={(event) => setDays(event.currentTarget.value)}>
                {ENDS.map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            {several ? (
              <label class="tick">
                <input
                  type="checkbox"
                  checked={everywhere}
                  onChange={(event) => setEverywhere(event.currentTarget.checked)}
                />
                for all keys
              </label>
            ) : null}
          </div>
        ) : null}
        {mark ? (
          <p class="marking-row">
            <button type="submit" class="button main" disabled={sent === "busy"}>
              {sent === "busy" ? "Saving …" : "Save the mark"}
            </button>
            {sent === "yes" ? <span class="note good">Saved.</span> : null}
            {typeof sent === "object" ? <span class="note bad">{sent.error}</span> : null}
            {sent === "no" && before?.ts ? (
              <span class="note">
                Marked {before.mark}
                {before.by ? ` by ${before.by}` : ""}, <When at={before.ts} withDay />
              </span>
            ) : null}
          </p>
        ) : null}
      </form>
    </section>
  );
}
