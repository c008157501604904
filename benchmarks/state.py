"""``python -m benchmarks.state [rows|keys]``: how much does the state of windows hold?"""

import argparse
import gc
import tracemalloc
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.figures import Figure, middle, report
from benchmarks.kit.measure import table
from benchmarks.kit.state import WindowState
from benchmarks.kit.streams import START_US, stream
from dataflow.clock import micros
from dataflow.items.embedding import Store, embedding_bytes
from dataflow.items.ipc import pack_embedded
from dataflow.settings import Window

LENGTH = timedelta(minutes=10)
OPTIONS = Window(
    kind="sliding", length=LENGTH, slide=LENGTH / 2, delay=timedelta(seconds=30), max_jump=timedelta(0)
)
ROWS_PER_WINDOW = (1_000, 10_000, 50_000)
KEYS = 100_000
DIM = 384
_SIZES = ("bytes an embedding", "bytes a row in a snapshot")
STORES: tuple[Store, ...] = ("fp32", "fp16")


class StateBytes(NamedTuple):
    """``held``: the bytes of all chunks. ``needed``: the bytes of the rows that an open window needs.
    ``snapshot``: the bytes that a snapshot writes for a row, and ``embedding`` those of its embedding.
    """

    held: int
    needed: int
    snapshot: float
    embedding: int


def measure(rows_per_window: int, store: Store) -> StateBytes:
    """The state after the last batch of a stream that is three windows long."""
    rate = rows_per_window / LENGTH.total_seconds()
    batches = stream(3 * rows_per_window, dim=DIM, events_per_second=rate, jitter_s=20, store=store)
    state = WindowState(OPTIONS)
    for batch in batches:
        state.push(batch)
    rows = state.batches()
    buffers = [b for part in rows for column in part.columns for b in column.buffers() if b]
    held = sum({b.address: b.size for b in buffers}.values())
    passed = state.progress.watermark - micros(OPTIONS.length)
    first_needed = (passed // micros(OPTIONS.slide) + 1) * micros(OPTIONS.slide)
    ts = np.concatenate([part.column("ts").cast(pa.int64()).to_numpy() for part in rows])
    needed = int((ts >= first_needed).sum()) * batches[-1].nbytes // len(batches[-1])
    written = pack_embedded(rows)
    snapshot = (len(written["rows"]) + len(written["vectors"])) / len(ts)
    return StateBytes(held, needed, snapshot, embedding_bytes(rows[0]))


def rows() -> list[Figure]:
    """The bytes that the chunks hold, for each byte of the rows that a window needs."""
    found, figures = [], []
    for rows_per_window in ROWS_PER_WINDOW:
        for store in STORES:
            state = measure(rows_per_window, store)
            sizes = (f"{state.held / 1e6:.1f}", f"{state.needed / 1e6:.1f}")
            ratio = f"{state.held / state.needed:.2f}"
            row = (f"{rows_per_window:,}", store, *sizes, ratio, state.embedding, f"{state.snapshot:.0f}")
            found.append(row)
            name = f"bytes of state / of the rows that windows need, {row[0]} rows a window, {store}"
            figures.append(middle(name, [state.held / state.needed]))
    heads = ("rows per window", "embed.store", "MB held", "MB needed", "ratio", *_SIZES)
    table(f"State, length/slide = 2, {DIM} numbers", heads, found)
    return figures


def keys() -> list[Figure]:
    """What a key costs beside its rows: while it has one row, and when its windows are gone.

    Arrow's buffers, which hold the rows, are not counted.
    """
    batches = stream(KEYS, dim=8, events_per_second=KEYS / 60, keys=KEYS)
    much_later = _later(batches[-1].slice(len(batches[-1]) - 1))
    found, figures = [], []
    for name, options in {
        "one watermark": OPTIONS,
        "one watermark, revisions": OPTIONS.model_copy(update={"allowed_lateness": timedelta(minutes=1)}),
        "one watermark, sessions": OPTIONS.model_copy(update={"kind": "session"}),
        "a watermark for each key": OPTIONS.model_copy(
            update={"watermark": "key", "idle_timeout": timedelta(minutes=1)}
        ),
    }.items():
        tracemalloc.start()
        state = WindowState(options)
        for batch in batches:
            state.push(batch)
        gc.collect()
        with_rows = tracemalloc.get_traced_memory()[0]
        state.push(much_later)
        state.tick(micros(timedelta(hours=1)))
        gc.collect()
        without = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        figures.append(middle(f"memory of a key whose windows are gone, {name}", [without / KEYS], "bytes"))
        found.append((name, f"{with_rows / KEYS:,.0f}", f"{without / KEYS:,.0f}"))
    heads = ("", "bytes a key with one row", "bytes a key when its windows are gone")
    table(f"{KEYS:,} keys that come and go", heads, found)
    return figures


def _later(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same events a day later."""
    ts = pa.array(np.full(len(batch), START_US + micros(timedelta(days=1))))
    at = batch.schema.get_field_index("ts")
    return batch.set_column(at, batch.schema.field(at), ts.cast(batch.schema.field(at).type))


QUESTIONS = {"rows": rows, "keys": keys}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state")
    parser.add_argument("question", nargs="?", choices=list(QUESTIONS), help="default: all")
    asked = parser.parse_args().question
    report([figure for name in ([asked] if asked else QUESTIONS) for figure in QUESTIONS[name]()])


if __name__ == "__main__":
    main()
