/** Texts of a stream are hostile until proven otherwise: what a reader cannot see is made visible. */
export interface Segment {
  kind: "text" | "control";
  value: string;
  /** What the control character is, for a tooltip. */
  name?: string;
}

const names: Record<number, string> = {
  9: "tab",
  10: "line feed",
  13: "carriage return",
  27: "escape",
  173: "soft hyphen",
  1564: "Arabic letter mark",
  8203: "zero width space",
  8206: "left-to-right mark",
  8207: "right-to-left mark",
  8232: "line separator",
  8233: "paragraph separator",
  8234: "left-to-right embedding",
  8235: "right-to-left embedding",
  8236: "pop directional formatting",
  8237: "left-to-right override",
  8238: "right-to-left override",
  8288: "word joiner",
  8294: "left-to-right isolate",
  8295: "right-to-left isolate",
  8296: "first strong isolate",
  8297: "pop directional isolate",
  65279: "byte order mark",
};

// Joiners (U+200C, U+200D) stay: Persian, Hindi and emoji are written with them.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}|[\u{e0000}-\u{e007f}]/gu;

const ABBREVIATIONS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

function glyph(code: number): string {
  if (code === 0x0a) return "⏎";
  if (code === 0x7f) return "DEL";
  return ABBREVIATIONS[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function described(character: string): { value: string; name: string } {
  const code = character.codePointAt(0) ?? 0;
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const name = names[code] ?? (code < 0xa0 ? "control character" : "invisible character");
  return { value: glyph(code), name: `${number} ${name}` };
}

/**
 * The text in segments. At most `limit` segments are made, and equal control characters in a row are one
 * (`NUL×12`), so that a hostile text cannot make a page of a million elements.
 */
export function segments(text: string, options: { lines?: boolean; limit?: number } = {}): Segment[] {
  const { lines = false, limit = 400 } = options;
  const out: Segment[] = [];
  let from = 0;
  let run = { character: "", times: 0 };
  const flush = () => {
    if (!run.times) return;
    const { value, name } = described(run.character);
    out.push({ kind: "control", value: run.times > 1 ? `${value}×${run.times}` : value, name });
    run = { character: "", times: 0 };
  };
  for (const found of text.matchAll(hidden)) {
    if (lines && found[0] === "\n") continue;
    if (out.length >= limit) {
      flush();
      out.push({ kind: "control", value: "…", name: "The rest has too many control characters to show." });
      return out;
    }
    if (found.index > from) {
      flush();
      out.push({ kind: "text", value: text.slice(from, found.index) });
    }
    if (run.times && run.character !== found[0]) flush();
    run = { character: found[0], times: run.times + 1 };
    from = found.index + found[0].length;
  }
  flush();
  if (from < text.length) out.push({ kind: "text", value: text.slice(from) });
  return out;
}
