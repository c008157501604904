"""The two candidates for windows, each as a dataflow in memory: Driftline's window stage, and Bytewax's
own ``collect_window``.
"""

import operator
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import bytewax.operators as op
import bytewax.operators.windowing as bytewax_windowing
import pyarrow as pa
from bytewax.dataflow import Dataflow

from benchmarks.kit.memory import CountingSink, MemorySource
from dataflow.clock import utc_now
from dataflow.items.embedding import embeddings
from dataflow.items.marks import Marked
from dataflow.settings import Window
from dataflow.window.step import gather_windows

#: Takes what a candidate emits for one window, and returns how many rows the window has.
Take = Callable[[Any], int]
ALIGN_TO = datetime(1970, 1, 1, tzinfo=timezone.utc)
NO_PACE = timedelta(0)


class Candidate(NamedTuple):
    """A dataflow, and the sink that counts the rows of its windows."""

    flow: Dataflow
    sink: CountingSink


def driftline(
    batches: list[pa.RecordBatch], options: Window, take: Take = len, *, pace: timedelta = NO_PACE
) -> Candidate:
    """The window stage over ``batches``. ``take`` gets each whole window."""
    flow = Dataflow("driftline")
    embedded = op.input("source", flow, MemorySource([[Marked(batch)] for batch in batches], pace))
    whole = gather_windows("window", embedded, options, utc_now).whole
    sink = CountingSink(lambda item: take(item[1]))
    op.output("sink", whole, sink)
    return Candidate(flow, sink)


def collect_window(
    items: list[list[Any]], options: Window, take: Take = len, *, pace: timedelta = NO_PACE
) -> Candidate:
    """``collect_window`` over ``(key, (datetime, vector))`` items. ``take`` gets each window's list."""
    flow = Dataflow("collect_window")
    keyed = op.input("source", flow, MemorySource(items, pace))
    clock = bytewax_windowing.EventClock(operator.itemgetter(0), options.delay)
    windower = bytewax_windowing.SlidingWindower(options.length, options.slide, ALIGN_TO)
    # The overloads of collect_window do not list `ordered`.
    collected = bytewax_windowing.collect_window("window", keyed, clock, windower, ordered=False)  # type: ignore[call-overload]
    sink = CountingSink(lambda item: take(item[1][1]))
    op.output("sink", collected.down, sink)
    return Candidate(flow, sink)


def objects(batches: list[pa.RecordBatch]) -> list[list[Any]]:
    """The same events as ``collect_window`` takes them: one object for each event. Its vector is a view of
    the batch's embeddings.
    """
    return [
        list(
            zip(
                batch.column("key").to_pylist(),
                zip(batch.column("ts").to_pylist(), embeddings(batch), strict=True),
                strict=True,
            )
        )
        for batch in batches
    ]
