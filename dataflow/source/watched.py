"""A source that logs which partitions it reads, and whose errors end the process with one line."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.source import partitions_with_data
from dataflow.stop import Stop
from dataflow.telemetry.guard import Guard
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class WatchedSource(FixedPartitionedSource[pa.RecordBatch, Any]):
    """``inner``, with the same partitions and states. When ``stop`` is asked for, all partitions end;
    ``polled`` is called at each poll.
    """

    def __init__(
        self, inner: Any, guard: Guard, stop: Stop, polled: Callable[[], None] = lambda: None
    ) -> None:
        self._inner, self._guard, self._stop, self._polled = inner, guard, stop, polled

    def list_parts(self) -> list[str]:
        return list(self._inner.list_parts())

    def partitions_with_data(self) -> list[str]:
        return partitions_with_data(self._inner)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_WatchedPart":
        part = self._guard(self._inner.build_part)(step_id, for_part, resume_state)
        at = part.snapshot()
        how = "opened" if resume_state is None else "resumed"
        fields = {"partition": for_part, "position": at, "resumed": resume_state is not None}
        _log.info(Line("partition_opened", f"{for_part}: {how} at {at}", **fields))
        return _WatchedPart(part, for_part, self._guard, self._stop, self._polled)


class _WatchedPart(StatefulSourcePartition[pa.RecordBatch, Any]):
    def __init__(self, inner: Any, name: str, guard: Guard, stop: Stop, polled: Callable[[], None]) -> None:
        self._inner, self._name, self._stop, self._polled = inner, name, stop, polled
        self._next_batch = guard(inner.next_batch)

    def next_batch(self) -> Any:
        self._polled()
        if self._stop.asked():
            self._say("partition_left", "stops")
            raise StopIteration
        try:
            return self._next_batch()
        except StopIteration:
            self._say("partition_ended", "the end,")
            raise

    def _say(self, event: str, what: str) -> None:
        at = self._inner.snapshot()
        _log.info(Line(event, f"{self._name}: {what} at {at}", partition=self._name, position=at))

    def next_awake(self) -> datetime | None:
        awake: datetime | None = self._inner.next_awake()
        return awake

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()
