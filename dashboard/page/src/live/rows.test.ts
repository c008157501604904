import { expect, it } from "vitest";
import type { Row, Rows } from "../types";
import { identity, PAGE, RowPages } from "./rows";

const row = (n: number): Row => ({ key: "a", window_start: 0, id: `e${n}`, revision: 0, row: n }) as Row;

/** A stream of `n` rows, the newest first, that can grow. */
class Stream {
  n = 1000;
  asked: number[] = [];
  generation = 1;
  async rows(offset: number, limit: number): Promise<Rows> {
    this.asked.push(offset);
    const length = Math.max(Math.min(limit, this.n - offset), 0);
    const rows = Array.from({ length }, (_, i) => row(this.n - 1 - offset - i));
    return { generation: this.generation, total: this.n, rows };
  }
  async position(one: Row): Promise<number | null> {
    const at = this.n - 1 - one.row;
    return at >= 0 && at < this.n ? at : null;
  }
}

it("only missing pages are read, each once", async () => {
  const stream = new Stream();
  const pages = new RowPages(stream);
  await Promise.all([pages.ensure(0, 30), pages.ensure(0, 30), pages.ensure(90, 130)]);
  await pages.ensure(10, 150);
  expect(stream.asked.sort((a, b) => a - b)).toEqual([0, PAGE]);
  expect(pages.at(0)?.id).toBe("e999");
  expect(pages.at(150)?.id).toBe("e849");
  expect(pages.at(250)).toBeUndefined();
});

it("an anchor stays the same row, however many rows come before it", async () => {
  for (const came of [0, 1, 99, 100, 777, 5000]) {
    const stream = new Stream();
    const pages = new RowPages(stream);
    await pages.ensure(300, 340);
    const anchor = { row: pages.at(310) as Row, index: 310 };
    stream.n += came;
    const moved = await pages.refresh(300, 340, anchor);
    expect(moved).toBe(came);
    expect(pages.total).toBe(1000 + came);
    for (let i = 300; i < 340; i++) expect(pages.at(i + moved)?.id).toBe(`e${999 - i}`);
  }
});

it("without an anchor, or with one that is gone, the place stays", async () => {
  const stream = new Stream();
  const pages = new RowPages(stream);
  await pages.ensure(0, 30);
  stream.n += 5;
  expect(await pages.refresh(0, 30, null)).toBe(0);
  expect(pages.at(0)?.id).toBe("e1004");
  expect(await pages.refresh(0, 30, { row: row(-7), index: 3 })).toBe(0);
});

it("an answer that is late does not mix with newer pages", async () => {
  const stream = new Stream();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const pages = new RowPages({
    position: (one) => stream.position(one),
    rows: async (offset, limit) => {
      const answer = await stream.rows(offset, limit);
      if (offset === 200) await held;
      return answer;
    },
  });
  await pages.ensure(0, 30);
  const late = pages.ensure(200, 230);
  stream.n += 10;
  await pages.refresh(0, 30, null);
  release();
  expect(await late).toBe(false);
  expect(pages.at(200)).toBeUndefined();
});

it("keeps a bounded number of pages, those near to what is shown", async () => {
  const stream = new Stream();
  stream.n = 100_000;
  const pages = new RowPages(stream, 5);
  for (let first = 0; first < 2000; first += 100) await pages.ensure(first, first + 30);
  expect(pages.at(0)).toBeUndefined();
  expect(pages.at(1900)?.id).toBe(`e${99_999 - 1900}`);
});

it("identities differ where rows differ", () => {
  const one = row(1);
  const others = [
    { ...one, key: "b" },
    { ...one, revision: 1 },
    { ...one, window_start: 1 },
    { ...one, id: "x" },
  ];
  expect(new Set([one, ...others].map(identity)).size).toBe(5);
});

it("an anchor stays the same row if rows come while the server answers", async () => {
  for (const came of [1, 20, 500]) {
    const stream = new Stream();
    let left = 2;
    const pages = new RowPages({
      rows: (offset, limit) => stream.rows(offset, limit),
      position: async (one) => {
        const at = await stream.position(one);
        if (left-- > 0) {
          stream.n += came;
          stream.generation++;
        }
        return at;
      },
    });
    await pages.refresh(0, 30, null);
    const anchor = { row: pages.at(10) as Row, index: 10 };
    const moved = await pages.refresh(0, 30, anchor);
    expect(moved).toBe(2 * came);
    expect(pages.total).toBe(1000 + 2 * came);
    for (let i = 0; i < 30; i++) expect(pages.at(i + moved)?.id).toBe(`e${999 - i}`);
  }
});

it("pages of two generations never stand beside each other", async () => {
  const stream = new Stream();
  const pages = new RowPages(stream);
  await pages.refresh(80, 130, null);
  stream.n += 1;
  stream.generation++;
  expect(await pages.ensure(180, 230)).toBe(false);
  expect(pages.at(200)).toBeUndefined();
  await pages.refresh(80, 130, null);
  expect(await pages.ensure(180, 230)).toBe(true);
  const shown = Array.from({ length: 220 }, (_, i) => pages.at(i)?.id);
  expect(new Set(shown).size).toBe(220);
});

it("a stream that never rests is shown all the same", async () => {
  const stream = new Stream();
  const pages = new RowPages({
    position: (one) => stream.position(one),
    rows: async (offset, limit) => {
      stream.n++;
      stream.generation++;
      return stream.rows(offset, limit);
    },
  });
  await pages.refresh(0, 130, null);
  expect(pages.at(129)).toBeDefined();
});
