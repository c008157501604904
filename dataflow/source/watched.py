"""Wraps a source: logs where partitions begin and end, stops on request, ends the process on an error."""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.source import lag, partitions_with_data
from dataflow.telemetry.guard import Guard
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


class WatchedSource(FixedPartitionedSource[pa.RecordBatch, Any]):
    """The partitions and the states of ``inner``.

    All partitions end as soon as ``stopping`` returns true. ``polled`` is called at each poll of a partition.
    """

    def __init__(
        self,
        inner: Any,
        guard: Guard,
        stopping: Callable[[], bool],
        polled: Callable[[], None] = lambda: None,
    ) -> None:
        self._inner, self._guard, self._stopping, self._polled = inner, guard, stopping, polled
        lag.show()

    def list_parts(self) -> list[str]:
        return list(self._inner.list_parts())

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        return partitions_with_data(self._inner)

    def resume(self, known: Collection[str]) -> None:
        """See :mod:`dataflow.source`."""
        if hasattr(self._inner, "resume"):
            self._inner.resume(known)

    def watch_partitions(self, added: Callable[[list[str]], None]) -> None:
        """See :mod:`dataflow.source`."""
        if hasattr(self._inner, "watch_partitions"):
            self._inner.watch_partitions(added)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_WatchedPart":
        part = self._guard(self._inner.build_part)(step_id, for_part, resume_state)
        position = _position(part)
        how = "opened" if resume_state is None else "resumed"
        fields = {"partition": for_part, "position": position, "resumed": resume_state is not None}
        _log.info(Line("partition_opened", f"{for_part}: {how} at {position}", **fields))
        return _WatchedPart(part, for_part, self._guard, self._stopping, self._polled)


def _position(part: Any) -> Any:
    return part.position() if hasattr(part, "position") else part.snapshot()


class _WatchedPart(StatefulSourcePartition[pa.RecordBatch, Any]):
    def __init__(
        self, inner: Any, name: str, guard: Guard, stopping: Callable[[], bool], polled: Callable[[], None]
    ) -> None:
        self._inner, self._name, self._stopping, self._polled = inner, name, stopping, polled
        self._next_batch = guard(inner.next_batch)

    def next_batch(self) -> Any:
        self._polled()
        if self._stopping():
            self._log_position("partition_left", "stops reading")
            raise StopIteration
        try:
            return self._next_batch()
        except StopIteration:
            self._log_position("partition_ended", "ends")
            raise

    def _log_position(self, event: str, what: str) -> None:
        position = _position(self._inner)
        sentence = f"{self._name}: {what} at {position}"
        _log.info(Line(event, sentence, partition=self._name, position=position))

    def next_awake(self) -> datetime | None:
        awake: datetime | None = self._inner.next_awake()
        return awake

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()
