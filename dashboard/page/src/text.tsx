import { segments } from "./visible";

/** A text of the stream: text nodes only, apart from the page's own direction, with hidden characters shown. */
export function StreamText(props: { text: string; lines?: boolean; limit?: number; cut?: boolean }) {
  const parts = segments(props.text, { lines: props.lines ?? false, limit: props.limit ?? 200 });
  return (
    <bdi class="stream-text" dir="auto">
      {parts.map((part) =>
        part.kind === "text" ? (
          part.value
        ) : (
          <span class="control" title={part.name}>
            {part.value}
          </span>
        ),
      )}
      {props.cut ? <span class="cut">…</span> : null}
    </bdi>
  );
}
