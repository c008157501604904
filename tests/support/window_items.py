"""What the parts of the window stage give to each other, made from readable numbers of seconds."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.window.assigner import Events
from dataflow.window.chunk import StoredChunk
from dataflow.window.messages import Append, GroupRows, Order, Run, Stamp
from dataflow.window.progress import Progress
from dataflow.window.split import split
from tests.support.windowing import Arrival, batch

#: Microseconds in a second.
S = 1_000_000


def keyed_events(*events: tuple[str | None, int]) -> Events:
    """Events with these keys and times, in this order of arrival. The times stay as they are."""
    names = list(dict.fromkeys(key for key, _ in events))
    codes = [names.index(key) for key, _ in events]
    return Events(np.array([ts for _, ts in events], np.int64), np.array(codes, np.int64), names)


def stamp_of(rows: pa.RecordBatch, before: Iterable[int], after: int) -> Stamp:
    """A stamp of rows of one partition; ``before``, ``after``: the watermarks in microseconds."""
    run = Run(rows.column("partition")[0].as_py(), rows.column("offset")[0].as_py())
    ts = event_times(rows)
    return Stamp(run, np.array([*before, after], np.int64), ts, ((int(ts.max()), run.partition),))


def passed(
    progress: Progress,
    window: settings.Window,
    arrivals: Sequence[Arrival],
    first: int = 0,
    arrival_us: int | None = None,
    now_us: int = 0,
) -> list[tuple[int, GroupRows | Stamp]]:
    """What the key groups get from a batch: its rows, and then their stamps, each with the group."""
    pieces = split(Marked(batch(arrivals, first), arrival_us), window.key_groups)
    stamps = [stamp for times in pieces.times for stamp in progress.stamp(times, now_us)]
    return [*pieces.rows, *stamps]


def rows(*seconds: int, first: int = 0) -> pa.RecordBatch:
    """Embedded events of one key at these times; their ids count from ``first``."""
    return batch([Arrival(ts) for ts in seconds], first)


def stored(*appended: pa.RecordBatch) -> StoredChunk:
    """A stored chunk to which these rows were appended, one batch after the other."""
    chunk = StoredChunk()
    for each in appended:
        chunk.apply(Append(0, each))
    return chunk


def row_ids(rows: pa.RecordBatch) -> list[int]:
    """The numbers that ``batch`` gave to events."""
    return [int(id) for id in rows.column("id").to_pylist()]


def of_type(orders: Iterable[Order], *types: type) -> list[str]:
    """The names of the orders; with ``types``, of these orders alone."""
    return [type(order).__name__ for order in orders if not types or isinstance(order, types)]
