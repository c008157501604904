import { useEffect, useState } from "preact/hooks";
import { minute, plural } from "../format";
import { go, zone } from "../store";
import { When } from "../widgets";

const STEP_MS = 600;

/** Chooses the window that is shown, and plays the windows one after the other. */
export function Replay(props: { windows: readonly number[]; index: number; rows: number }) {
  const { windows, index } = props;
  const [playing, setPlaying] = useState(false);
  const end = windows.length - 1;

  useEffect(() => {
    if (!playing) return;
    if (index >= end) {
      setPlaying(false);
      return;
    }
    const timer = setTimeout(() => go({ window: windows[index + 1] ?? null }, { replace: true }), STEP_MS);
    return () => clearTimeout(timer);
  }, [playing, index, end]);

  const start = windows[index];
  if (start === undefined) return null;
  return (
    <div class="replay">
      <button
        type="button"
        class="button"
        aria-label={playing ? "Pause" : "Play the windows"}
        onClick={() => {
          if (!playing && index >= end) go({ window: windows[0] ?? null }, { replace: true });
          setPlaying(!playing);
        }}
      >
        <svg width="12" height="12" viewBox="0 0 12 12" fill="currentColor" aria-hidden="true">
          {playing ? <path d="M2 1h3v10H2zM7 1h3v10H7z" /> : <path d="M2 1l9 5-9 5z" />}
        </svg>
      </button>
      <input
        type="range"
        min={0}
        max={end}
        value={index}
        aria-label="Window"
        aria-valuetext={minute(start, zone.value)}
        onInput={(event) => {
          setPlaying(false);
          const to = Number(event.currentTarget.value);
          go({ window: to === end ? null : (windows[to] ?? null) }, { replace: true });
        }}
      />
      <span class="replay-at">
        window from{" "}
        <b>
          <When at={start} />
        </b>
        <span class="note">
          {" "}
          {index === end ? "newest, " : ""}
          {plural(props.rows, "row")}
        </span>
      </span>
    </div>
  );
}
