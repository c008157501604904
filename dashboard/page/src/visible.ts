/** Texts of a stream are hostile until proven otherwise: what a reader cannot see is made visible. */
export interface Segment {
  kind: "text" | "control";
  value: string;
  /** What the control character is, for a tooltip. */
  name?: string;
}

const names: Record<number, string> = {
  0x0009: "tab",
  0x000a: "line feed",
  0x000d: "carriage return",
  0x001b: "escape",
  0x00ad: "soft hyphen",
  0x061c: "Arabic letter mark",
  0x200b: "zero width space",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x2028: "line separator",
  0x2029: "paragraph separator",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "pop directional formatting",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2060: "word joiner",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "pop directional isolate",
  0xfeff: "byte order mark",
};

// Joiners (U+200C, U+200D) stay: Persian, Hindi and emoji are written with them.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb]|\p{Surrogate}|[\u{e0000}-\u{e007f}\u{e0100}-\u{e01ef}]/gu;

function glyph(code: number): string {
  if (code === 0x0a) return "⏎";
  if (code === 0x09) return "⇥";
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

function described(character: string): { value: string; name: string } {
  const code = character.codePointAt(0) ?? 0;
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  const name = names[code] ?? (code < 0xa0 ? "control character" : "invisible character");
  return { value: glyph(code), name: `${number} ${name}` };
}

/**
 * The text in segments. At most `limit` segments are made, and equal control characters in a row are one
 * (`␀×12`), so that a hostile text cannot make a page of a million elements.
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
