import { expect, it } from "vitest";
import { segments } from "./visible";

const shown = (text: string, options = {}) =>
  segments(text, options)
    .map((one) => one.value)
    .join("");

it("an ordinary text is one segment", () => {
  for (const text of ["Zahlung abgelehnt", "تم رفض الدفع", "👩‍👧 نمی‌خواهم", ""]) {
    expect(segments(text)).toEqual(text ? [{ kind: "text", value: text }] : []);
  }
});

it("all control, bidi and invisible characters are replaced", () => {
  for (const code of [
    0, 7, 9, 0x1b, 0x7f, 0x85, 0xad, 0x200b, 0x200f, 0x202e, 0x2066, 0x2028, 0xfeff, 0xe0041,
  ]) {
    const text = `a${String.fromCodePoint(code)}b`;
    const parts = segments(text);
    expect(parts.map((one) => one.kind)).toEqual(["text", "control", "text"]);
    expect(parts[1]?.value).not.toContain(String.fromCodePoint(code));
    expect(parts[1]?.name).toMatch(/^U\+[0-9A-F]{4,5} /);
  }
});

it("half of a surrogate pair is replaced, and a whole pair is not", () => {
  expect(shown("a\ud83d b")).toBe("aU+D83D b");
  expect(shown("a😀b")).toBe("a😀b");
});

it("runs of a character are one segment", () => {
  expect(shown("\0\0\0\x1b\x1b[31m")).toBe("NUL×3ESC×2[31m");
});

it("line feeds stay where lines are shown", () => {
  expect(shown("a\nb", { lines: true })).toBe("a\nb");
  expect(shown("a\nb")).toBe("a⏎b");
});

it("the number of segments is bounded", () => {
  const text = "a\u202e".repeat(100_000);
  const parts = segments(text, { limit: 50 });
  expect(parts.length).toBeLessThan(55);
  expect(parts.at(-1)?.value).toBe("…");
});
