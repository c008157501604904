import type { Micros } from "./types";

export type Zone = "local" | "utc";

const formats = new Map<string, Intl.DateTimeFormat>();

function parts(us: Micros, zone: Zone, timeZone?: string): Record<string, string> {
  const name = zone === "utc" ? "UTC" : timeZone;
  const key = name ?? "";
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      year: "numeric",
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
      ...(name ? { timeZone: name } : {}),
    });
    formats.set(key, format);
  }
  return Object.fromEntries(format.formatToParts(us / 1000).map((part) => [part.type, part.value]));
}

/** `08:11:11`. */
export function clock(us: Micros, zone: Zone, timeZone?: string): string {
  const at = parts(us, zone, timeZone);
  return `${at.hour}:${at.minute}:${at.second}`;
}

/** `08:11`. */
export function minute(us: Micros, zone: Zone, timeZone?: string): string {
  return clock(us, zone, timeZone).slice(0, 5);
}

/** `2 Mar`. */
export function day(us: Micros, zone: Zone, timeZone?: string): string {
  const at = parts(us, zone, timeZone);
  return `${at.day} ${at.month}`;
}

/** `2 Mar 2026`. */
export function date(us: Micros, zone: Zone, timeZone?: string): string {
  return `${day(us, zone, timeZone)} ${parts(us, zone, timeZone).year}`;
}

/** `2026-03-02T08:11:11.123456Z`; without the fraction if it is zero. */
export function iso(us: Micros): string {
  const seconds = Math.floor(us / 1e6);
  const rest = Math.round(us - seconds * 1e6);
  const fraction = rest ? `.${String(rest).padStart(6, "0").replace(/0+$/, "")}` : "";
  return new Date(seconds * 1000).toISOString().replace(".000Z", `${fraction}Z`);
}

/** The time in microseconds, or null if the text is no time. */
export function parseTime(text: string): Micros | null {
  const found = /^(.*?:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)?$/.exec(text.trim());
  const [, head, fraction = "", offset = "Z"] = found ?? [];
  const ms = Date.parse(`${head ?? text.trim()}${head ? offset : ""}`);
  return Number.isNaN(ms) ? null : ms * 1000 + Number(fraction.padEnd(6, "0"));
}

/** A time of an answer, which may be microseconds or a text. */
export function micros(value: Micros | string | null): Micros | null {
  return typeof value === "string" ? parseTime(value) : value;
}

/** The time in both zones, for a tooltip: the zone that is shown second. */
export function bothZones(us: Micros, timeZone?: string): string {
  const local = `${date(us, "local", timeZone)} ${clock(us, "local", timeZone)}`;
  return `${iso(us).replace("T", " ").replace("Z", " UTC")}\n${local} your time`;
}

/** `08:05–08:15`, with days where the two differ. */
export function range(start: Micros, end: Micros, zone: Zone, timeZone?: string): string {
  const [a, b] = [day(start, zone, timeZone), day(end, zone, timeZone)];
  const [from, to] = [minute(start, zone, timeZone), minute(end, zone, timeZone)];
  return a === b ? `${from}–${to}` : `${a} ${from} – ${b} ${to}`;
}

/** The name of the zone, such as `UTC` or `UTC+2`. */
export function zoneName(zone: Zone, at: Date): string {
  const minutes = zone === "utc" ? 0 : -at.getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
}

const counts = new Intl.NumberFormat("en-US");

/** `7,200`. */
export function count(value: number): string {
  return counts.format(value);
}

/** `950`, `7.2k`, `1.2M`. */
export function short(value: number): string {
  for (const [unit, name] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= unit * 0.9995) {
      const scaled = value / unit;
      return `${scaled.toFixed(Math.abs(scaled) < 9.95 ? 1 : 0)}${name}`;
    }
  }
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 1 : 0);
}

/** `1 event`, `2 events`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A score with two decimals; `–` if there is none. */
export function score(value: number | null, digits = 2): string {
  if (value === null || !Number.isFinite(value)) return "–";
  return value.toFixed(digits).replace("-", "−");
}

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** `0.55`, `0.0021`, `2.1×10⁻⁶`. */
export function pValue(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0 || value >= 0.0095) return value.toFixed(2);
  if (value >= 0.00095) return value.toFixed(4);
  const [mantissa, exponent] = value.toExponential(1).split("e-");
  return `${mantissa}×10⁻${[...String(Number(exponent))].map((d) => superscripts[Number(d)]).join("")}`;
}

/** `75 %`; one decimal below ten percent. */
export function percent(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return "–";
  return `${(share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
}

/** `2 s`, `4 min`, `3 h`, `2 d`. */
export function duration(us: number): string {
  const s = Math.abs(us) / 1e6;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}
