"""A Bytewax source that reads from memory, and a sink that only counts."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.clock import utc_now


class MemorySource(FixedPartitionedSource[Any, int]):
    """Emits one list of items at each poll. ``pace`` is the wall-clock time between two polls."""

    def __init__(self, batches: Sequence[list[Any]], pace: timedelta = timedelta(0)) -> None:
        self._batches, self._pace = batches, pace

    def list_parts(self) -> list[str]:
        return ["memory"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_MemoryPartition":
        return _MemoryPartition(self._batches, self._pace, resume_state or 0)


class _MemoryPartition(StatefulSourcePartition[Any, int]):
    def __init__(self, batches: Sequence[list[Any]], pace: timedelta, position: int) -> None:
        self._batches, self._pace, self._position = batches, pace, position
        self._begin: datetime | None = None

    def next_batch(self) -> list[Any]:
        if self._position == len(self._batches):
            raise StopIteration
        self._position += 1
        return self._batches[self._position - 1]

    def next_awake(self) -> datetime | None:
        if not self._pace:
            return None
        # The schedule counts from the start, not from the last poll: a slow dataflow has to catch up, as
        # with a real source.
        self._begin = self._begin or utc_now() - self._position * self._pace
        return self._begin + self._position * self._pace

    def snapshot(self) -> int:
        return self._position


class CountingSink(DynamicSink[Any]):
    """Counts the items, and adds up ``rows_of(item)`` in ``rows``."""

    def __init__(self, rows_of: Callable[[Any], int]) -> None:
        self._rows_of = rows_of
        self.items = self.rows = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_CountingPartition":
        return _CountingPartition(self)

    def add(self, items: list[Any]) -> None:
        self.items += len(items)
        self.rows += sum(map(self._rows_of, items))


class _CountingPartition(StatelessSinkPartition[Any]):
    def __init__(self, sink: CountingSink) -> None:
        self._sink = sink

    def write_batch(self, items: list[Any]) -> None:
        self._sink.add(items)
