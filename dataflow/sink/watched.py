"""Wraps a sink: each write has a span, an error ends the process, and small batches are joined."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from bytewax.outputs import (
    DynamicSink,
    FixedPartitionedSink,
    Sink,
    StatefulSinkPartition,
    StatelessSinkPartition,
)

from dataflow.items.marks import Marked
from dataflow.telemetry.watch import Watch

#: Small batches are joined up to about so many bytes: a batch costs more than its rows do.
JOINED_BYTES = 1 << 22


def watched(sink: Sink[tuple[str, pa.RecordBatch]], watch: Watch) -> Sink[tuple[str, Marked]]:
    """``sink`` with spans and guarded errors. ``sink`` receives the rows without their marks.

    The partitions and the states are those of ``sink``.
    """
    return _WatchedDynamic(sink, watch) if isinstance(sink, DynamicSink) else _WatchedFixed(sink, watch)


class _WatchedDynamic(DynamicSink[Any]):
    def __init__(self, inner: DynamicSink[Any], watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_WatchedStateless":
        part = self._watch.guard(self._inner.build)(step_id, worker_index, worker_count)
        return _WatchedStateless(part, step_id, self._watch)


class _WatchedStateless(StatelessSinkPartition[Any]):
    def __init__(self, inner: StatelessSinkPartition[Any], step_id: str, watch: Watch) -> None:
        self._inner, self._step_id, self._tracer = inner, step_id, watch.tracer
        self._guarded = watch.guard(self._write)

    def write_batch(self, items: list[tuple[str, Marked]]) -> None:
        self._guarded(items)

    def _write(self, items: list[tuple[str, Marked]]) -> None:
        with self._tracer.span("sink", [marked for _, marked in items], step=self._step_id):
            self._inner.write_batch([(key, marked.rows) for key, marked in items])

    def close(self) -> None:
        self._inner.close()


class _WatchedFixed(FixedPartitionedSink[Any, Any]):
    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def list_parts(self) -> list[str]:
        return list(self._inner.list_parts())

    def part_fn(self, item_key: str) -> int:
        number: int = self._inner.part_fn(item_key)
        return number

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_WatchedStateful":
        part = self._watch.guard(self._inner.build_part)(step_id, for_part, resume_state)
        return _WatchedStateful(part, step_id, self._watch)


class _WatchedStateful(StatefulSinkPartition[Any, Any]):
    def __init__(self, inner: StatefulSinkPartition[Any, Any], step_id: str, watch: Watch) -> None:
        self._inner, self._step_id, self._tracer = inner, step_id, watch.tracer
        self._guarded = watch.guard(self._write)
        self._snapshot, self._close = watch.guard(inner.snapshot), watch.guard(inner.close)

    def write_batch(self, values: list[Marked]) -> None:
        self._guarded(values)

    def _write(self, values: list[Marked]) -> None:
        with self._tracer.span("sink", values, step=self._step_id):
            self._inner.write_batch(list(joined([marked.rows for marked in values])))

    def snapshot(self) -> Any:
        return self._snapshot()

    def close(self) -> None:
        self._close()


def joined(batches: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of ``batches`` in their order, in fewer batches: neighbours of one schema become one batch, as
    long as it has at most :data:`JOINED_BYTES`.

    >>> small = pa.record_batch({"id": ["a", "b"]})
    >>> [len(batch) for batch in joined([small, small, pa.record_batch({"n": [1]})])]
    [4, 1]
    """
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        more = batch.get_total_buffer_size()  # at once; at least the bytes of the rows
        if waiting and (size + more > JOINED_BYTES or batch.schema != waiting[0].schema):
            yield _one(waiting)
            waiting, size = [], 0
        waiting.append(batch)
        size += more
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
