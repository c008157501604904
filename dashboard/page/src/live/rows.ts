import type { Row, Rows } from "../types";

export const PAGE = 100;

/** How often rows are read until all answers are of one generation. A stream may be faster than that. */
const ATTEMPTS = 4;

export interface Loader {
  rows(offset: number, limit: number): Promise<Rows>;
  /** The place of a row in the order that is shown, or null if the server no longer has the row. */
  position(row: Row): Promise<number | null>;
}

/** The identity of a scored row: it stays the same over restarts of the server. */
export function identity(row: Pick<Row, "key" | "window_start" | "id" | "revision">): string {
  return JSON.stringify([row.key, row.window_start, row.id, row.revision]);
}

function rowAt(pages: Map<number, Row[]>, index: number): Row | undefined {
  return pages.get(Math.floor(index / PAGE))?.[index % PAGE];
}

function holds(pages: Map<number, Row[]>, index: number, row: Row): boolean {
  const there = rowAt(pages, index);
  return there !== undefined && identity(there) === identity(row);
}

/** The pages of rows that were read, and how they follow a stream that grows. */
export class RowPages {
  total: number | null = null;
  generation = 0;
  private pages = new Map<number, Row[]>();
  private asked = new Set<number>();

  constructor(
    private readonly loader: Loader,
    private readonly most = 60,
  ) {}

  at(index: number): Row | undefined {
    return rowAt(this.pages, index);
  }

  /** Reads the pages of rows `first` to `end` that are missing. Returns whether any came. */
  async ensure(first: number, end: number): Promise<boolean> {
    const missing = this.numbers(first, end).filter((n) => !this.pages.has(n) && !this.asked.has(n));
    const pages = this.pages;
    for (const n of missing) this.asked.add(n);
    try {
      const answers = await Promise.all(missing.map((n) => this.loader.rows(n * PAGE, PAGE)));
      // A refresh replaced all pages in the meantime, or one has to come first: pages of two generations would
      // show a row twice.
      const generation = this.total === null ? answers[0]?.generation : this.generation;
      if (pages !== this.pages || answers.some((answer) => answer.generation !== generation)) return false;
      answers.forEach((answer, i) => {
        pages.set(missing[i] as number, answer.rows);
        this.total = answer.total;
        this.generation = answer.generation;
      });
    } finally {
      for (const n of missing) this.asked.delete(n);
    }
    this.forget(first, end);
    return missing.length > 0;
  }

  /**
   * Reads again what is shown. With an `anchor`, the pages around its new place are read. Returns by how many
   * rows the anchor moved: rows that came before it. The server may get more rows between two answers. They
   * are then read again, so that the place of the anchor is its place in the rows that are shown.
   */
  async refresh(first: number, end: number, anchor: { row: Row; index: number } | null): Promise<number> {
    let place = anchor ? await this.loader.position(anchor.row) : null;
    for (let attempt = 1; ; attempt++) {
      const moved = anchor && place !== null ? place - anchor.index : 0;
      const numbers = this.numbers(Math.max(first + moved, 0), Math.max(end + moved, 1));
      const answers = await Promise.all(numbers.map((n) => this.loader.rows(n * PAGE, PAGE)));
      const last = answers.at(-1);
      const one = answers.every((answer) => answer.generation === last?.generation);
      const pages = new Map(answers.map((answer, i) => [numbers[i] as number, answer.rows]));
      if (attempt < ATTEMPTS && !(one && (!anchor || place === null || holds(pages, place, anchor.row)))) {
        place = anchor ? await this.loader.position(anchor.row) : null;
        continue;
      }
      this.pages = pages;
      this.asked.clear();
      if (last) {
        this.total = last.total;
        this.generation = last.generation;
      }
      return moved;
    }
  }

  private numbers(first: number, end: number): number[] {
    const from = Math.floor(Math.max(first, 0) / PAGE);
    const to = Math.max(Math.ceil(end / PAGE), from + 1);
    return Array.from({ length: to - from }, (_, i) => from + i);
  }

  private forget(first: number, end: number): void {
    const middle = (first + end) / 2 / PAGE;
    const far = [...this.pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const n of far.slice(0, Math.max(this.pages.size - this.most, 0))) this.pages.delete(n);
  }
}
