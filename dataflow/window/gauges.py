"""Gauges of what the window stage holds."""

from collections.abc import Callable

import pyarrow as pa

from dataflow.clock import NEVER
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects, known
from dataflow.window.chunk import StoredChunk
from dataflow.window.machine import Windows
from dataflow.window.progress import Progress

#: How far the stream has come, in the process that keeps the watermark.
PROGRESS: LiveObjects[Progress] = LiveObjects()
#: The window machines of the key groups in this process.
GROUPS: LiveObjects[Windows] = LiveObjects()
#: The chunks that hold rows, in this process.
CHUNKS: LiveObjects[StoredChunk] = LiveObjects()


def show() -> None:
    """Make the gauges show what the objects hold whenever metrics are read."""
    metrics.STATE_ROWS.set_function(lambda: sum(len(batch) for chunk in CHUNKS for batch in chunk.batches))
    metrics.STATE_BYTES.set_function(_bytes)
    metrics.WINDOWS_OPEN.set_function(lambda: sum(group.open for group in GROUPS))
    metrics.WATERMARK_LOWEST.set_function(_watermark(min))
    metrics.WATERMARK_HIGHEST.set_function(_watermark(max))
    metrics.SKEW.set_function(_skew)


def count() -> tuple[int, int]:
    """The number of key groups that hold rows, and the number of chunks."""
    return sum(bool(group.rows) for group in GROUPS), sum(1 for _ in CHUNKS)


def _watermark(choose: Callable[[list[int]], int]) -> Callable[[], float]:
    return lambda: known((at for group in GROUPS for at in group.watermarks if at != NEVER), choose) / 1e6


def _skew() -> float:
    return known((p.newest - p.watermark for p in PROGRESS if p.watermark != NEVER), max) / 1e6


def _bytes() -> int:
    # The number of bytes that a snapshot writes. `batch.nbytes` takes six times as long.
    return sum(pa.ipc.get_record_batch_size(batch) for chunk in CHUNKS for batch in chunk.batches)
