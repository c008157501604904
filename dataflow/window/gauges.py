"""What the stages did, as metrics: called at the edges, once a micro-batch or window. No bytewax here.

Counters are counted up where something happens. What state holds is different: it comes and goes with keys,
is loaded from snapshots, and is spread over workers. So whoever holds some is known for as long as it lives
(:class:`Living`), and is asked when Prometheus asks, in a thread of its own.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import NEVER, micros
from dataflow.items.rows import event_times
from dataflow.items.schemas import Decoded
from dataflow.items.windows import ScoredWindow, WholeWindow
from dataflow.recovery.store import size
from dataflow.source.lag import PARTITIONS
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects, known
from dataflow.window.chunk import Keeper
from dataflow.window.machine import Windows
from dataflow.window.messages import Gather, Output
from dataflow.window.progress import Stamped

#: Where a batch between decode and window says when its records were read, in the metadata of its schema:
#: a column would be in the state and in the late events, too.
_ARRIVAL = b"arrival"


#: The keys that hold rows, and the chunks of rows.
KEYS: LiveObjects[Windows] = LiveObjects()
CHUNKS: LiveObjects[Keeper] = LiveObjects()


def _watermark(choose: Callable[[list[int]], int]) -> Callable[[], float]:
    return lambda: known((key.watermark for key in KEYS if key.watermark != NEVER), choose) / 1e6


def _skew() -> float:
    return known((key.highest - key.watermark for key in KEYS if key.watermark != NEVER), max) / 1e6


def _bytes() -> int:
    # As a snapshot writes them; `batch.nbytes` takes six times as long.
    return sum(pa.ipc.get_record_batch_size(batch) for chunk in CHUNKS for batch in chunk.rows)


metrics.STATE_KEYS.set_function(lambda: sum(1 for _ in KEYS))
metrics.STATE_ROWS.set_function(lambda: sum(len(batch) for chunk in CHUNKS for batch in chunk.rows))
metrics.STATE_BYTES.set_function(_bytes)
metrics.WINDOWS_OPEN.set_function(lambda: sum(key.open for key in KEYS))
metrics.WATERMARK.labels("lowest").set_function(_watermark(min))
metrics.WATERMARK.labels("highest").set_function(_watermark(max))
metrics.SKEW.set_function(_skew)
metrics.SOURCE_LAG_MESSAGES.set_function(lambda: known(part.messages for part in PARTITIONS))
metrics.SOURCE_LAG_BYTES.set_function(lambda: known(part.bytes for part in PARTITIONS))


def store(folder: Path) -> None:
    """From now on, show how large the recovery store in ``folder`` is, and what is free on its disk."""
    metrics.RECOVERY_BYTES.set_function(lambda: size(folder))
    metrics.RECOVERY_FREE.set_function(lambda: shutil.disk_usage(folder).free)


def decoded(raw: pa.RecordBatch, result: Decoded) -> list[pa.RecordBatch]:
    """A ``RAW`` batch became ``result``. Returns its events, marked with their arrival, and dead letters."""
    metrics.RECORDS.inc(len(raw))
    metrics.BATCH_RECORDS.observe(len(raw))
    metrics.AMBIGUOUS_TIMES.inc(result.ambiguous_times)
    arrival = {_ARRIVAL: str(raw.column("arrival")[0].value)} if len(raw) else None
    return [result.events.replace_schema_metadata(arrival), dead(result.dead_letters)]


def dead(letters: pa.RecordBatch) -> pa.RecordBatch:
    """A ``DEAD_LETTER`` batch was made. Returns it."""
    for each in pc.value_counts(letters.column("reason")).to_pylist() if len(letters) else ():
        metrics.DEAD_LETTERS.labels(each["values"]).inc(each["counts"])
    return letters


def embedded(batches: Sequence[pa.RecordBatch], results: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """``batches`` became ``results``, one each. Returns these, with the marks of their arrival."""
    return [
        result.replace_schema_metadata(batch.schema.metadata)
        for batch, result in zip(batches, results, strict=True)
    ]


def unmarked(rows: pa.RecordBatch) -> pa.RecordBatch:
    """``rows`` without the mark of their arrival, for the state."""
    return rows.replace_schema_metadata(None)


def passed(stamped: Stamped) -> Stamped:
    """Events have passed the one point that all pass. Returns them."""
    if stamped.moves is not None:
        metrics.JUMPS.inc(int(np.count_nonzero(stamped.moves < event_times(stamped.rows))))
    return stamped


def windowed(rows: pa.RecordBatch, output: Output) -> Output:
    """A key has taken in ``rows``. Returns what it gave, with the arrival of the batch in what it closed."""
    for late in output.late:
        by_seconds = late.column("late_by_us").to_numpy() / 1e6
        # A session that is over takes in what lies within it, though one of the event's own would be open.
        in_session = int(np.count_nonzero(by_seconds < 0))
        metrics.LATE_SESSION.inc(in_session)
        metrics.LATE_CLOSED.inc(len(late) - in_session)
        metrics.LATE_BY.observe(np.maximum(by_seconds, 0))
    if arrival := (rows.schema.metadata or {}).get(_ARRIVAL):
        output.orders = [
            replace(order, arrival=int(arrival)) if isinstance(order, Gather) else order
            for order in output.orders
        ]
    return output


def scored(window: WholeWindow, result: ScoredWindow, now: datetime) -> ScoredWindow:
    """``window`` was scored. Returns ``result``."""
    rows, now_us = result.rows, micros(now)
    metrics.SCORED_ROWS.inc(len(rows))
    (metrics.WINDOW_REVISIONS if window.ref.revision else metrics.WINDOWS_CLOSED).inc()
    metrics.SCORES.observe(rows.column("score").to_numpy())
    metrics.EVENT_LATENCY.observe((now_us - event_times(rows)) / 1e6)
    if window.arrival is not None:
        metrics.ARRIVAL_LATENCY.observe((now_us - window.arrival) / 1e6)
    return result
