"""The state of the window stage, without a dataflow around it."""

from collections import defaultdict

import pyarrow as pa

from dataflow.items.marks import Marked
from dataflow.settings import Window
from dataflow.window.arrivals import Arrivals
from dataflow.window.chunk import StoredChunk
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, GroupRows, Output, Stamp, Trim
from dataflow.window.progress import Progress
from dataflow.window.split import split


class WindowState:
    """All key groups with their chunks; nothing reads the windows."""

    def __init__(self, options: Window) -> None:
        self._options, self.progress = options, Progress(options, (), 0)
        self._arrivals: dict[int, Arrivals] = defaultdict(Arrivals)
        self._machines: dict[int, Windows] = {}
        self._chunks: dict[tuple[int, int], StoredChunk] = {}

    def push(self, batch: pa.RecordBatch) -> None:
        """Take embedded events."""
        pieces = split(Marked(batch), self._options.key_groups)
        stamps = [stamp for times in pieces.times for stamp in self.progress.stamp(times, 0)]
        items: list[tuple[int, GroupRows | Stamp]] = [*pieces.rows, *stamps]
        for group, item in items:
            self._take(group, item)

    def tick(self, now_us: int) -> None:
        """Let the wall clock close windows (``window.idle_timeout``)."""
        for group, machine in self._machines.items():
            self._carry_out(group, machine.tick(now_us))

    def _take(self, group: int, item: GroupRows | Stamp) -> None:
        if group not in self._machines:
            self._machines[group] = Windows(self._options, 0)
        for stamp, rows in self._arrivals[group].take(item):
            self._carry_out(group, self._machines[group].push(stamp, rows.rows if rows else None, 0))

    def _carry_out(self, group: int, output: Output) -> None:
        for order in output.orders:
            at = group, order.chunk
            if isinstance(order, Append | Trim):
                self._chunks.setdefault(at, StoredChunk()).apply(order)
            elif isinstance(order, Drop):
                del self._chunks[at]

    def batches(self) -> list[pa.RecordBatch]:
        """The batches of all chunks."""
        return [batch for chunk in self._chunks.values() for batch in chunk.batches]
