"""``python -m benchmarks.state``: how much does the window state hold, for each byte that a window needs?"""

import argparse
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.measure import table
from benchmarks.kit.streams import stream
from dataflow.clock import micros
from dataflow.settings import Window
from dataflow.window.chunk import StoredChunk
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Trim
from dataflow.window.progress import Stamped

LENGTH = timedelta(minutes=10)
OPTIONS = Window(kind="sliding", length=LENGTH, slide=LENGTH / 2, delay=timedelta(seconds=30))
ROWS_PER_WINDOW = (1_000, 10_000, 50_000, 200_000)


class StateBytes(NamedTuple):
    """``held``: the bytes of all chunks. ``needed``: the bytes of the rows that an open window needs."""

    held: int
    needed: int


def measure(rows_per_window: int) -> StateBytes:
    """The state after the last batch of a stream that is three windows long."""
    rate = rows_per_window / LENGTH.total_seconds()
    batches = stream(3 * rows_per_window, dim=64, events_per_second=rate, jitter_s=20)
    machine = Windows(OPTIONS, 0)
    chunks: dict[int, StoredChunk] = {}
    for batch in batches:
        for order in machine.push(Stamped(batch, ()), 0).orders:
            if isinstance(order, Append | Trim):
                chunks.setdefault(order.chunk, StoredChunk()).apply(order)
            elif isinstance(order, Drop):
                del chunks[order.chunk]
    rows = [part for chunk in chunks.values() for part in chunk.batches]
    buffers = [b for part in rows for column in part.columns for b in column.buffers() if b]
    held = sum({b.address: b.size for b in buffers}.values())
    passed = machine.watermark - micros(OPTIONS.length)
    first_needed = (passed // micros(OPTIONS.slide) + 1) * micros(OPTIONS.slide)
    ts = np.concatenate([part.column("ts").cast(pa.int64()).to_numpy() for part in rows])
    needed = int((ts >= first_needed).sum()) * batches[-1].nbytes // len(batches[-1])
    return StateBytes(held, needed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=ROWS_PER_WINDOW, help="rows per window; default: %(default)s"
    )
    rows = []
    for rows_per_window in parser.parse_args().rows:
        state = measure(rows_per_window)
        held, needed = f"{state.held / 1e6:.1f}", f"{state.needed / 1e6:.1f}"
        rows.append((f"{rows_per_window:,}", held, needed, f"{state.held / state.needed:.2f}"))
    table("State, length/slide = 2, 64 floats", ("rows per window", "MB held", "MB needed", "ratio"), rows)


if __name__ == "__main__":
    main()
