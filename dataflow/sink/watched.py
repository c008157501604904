"""A sink whose writes have spans, and whose errors end the process with one line."""

from typing import Any

import pyarrow as pa
from bytewax.outputs import (
    DynamicSink,
    FixedPartitionedSink,
    Sink,
    StatefulSinkPartition,
    StatelessSinkPartition,
)

from dataflow.telemetry import traces
from dataflow.telemetry.guard import Guard


def watched(sink: Sink[Any], guard: Guard) -> Sink[Any]:
    """``sink``, with the same partitions and states."""
    return _WatchedDynamic(sink, guard) if isinstance(sink, DynamicSink) else _WatchedFixed(sink, guard)


class _WatchedDynamic(DynamicSink[Any]):
    def __init__(self, inner: DynamicSink[Any], guard: Guard) -> None:
        self._inner, self._guard = inner, guard

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_WatchedStateless":
        part = self._guard(self._inner.build)(step_id, worker_index, worker_count)
        return _WatchedStateless(part, step_id, self._guard)


class _WatchedStateless(StatelessSinkPartition[Any]):
    def __init__(self, inner: StatelessSinkPartition[Any], step_id: str, guard: Guard) -> None:
        self._inner, self._step_id, self._guarded = inner, step_id, guard(self._write)

    def write_batch(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        self._guarded(items)

    def _write(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        tracer = traces.current()
        with tracer.span("sink", [batch for _, batch in items], step=self._step_id):
            self._inner.write_batch([(key, tracer.unmarked(batch)) for key, batch in items])

    def close(self) -> None:
        self._inner.close()


class _WatchedFixed(FixedPartitionedSink[Any, Any]):
    def __init__(self, inner: Any, guard: Guard) -> None:
        self._inner, self._guard = inner, guard

    def list_parts(self) -> list[str]:
        return list(self._inner.list_parts())

    def part_fn(self, item_key: str) -> int:
        number: int = self._inner.part_fn(item_key)
        return number

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_WatchedStateful":
        part = self._guard(self._inner.build_part)(step_id, for_part, resume_state)
        return _WatchedStateful(part, step_id, self._guard)


class _WatchedStateful(StatefulSinkPartition[Any, Any]):
    def __init__(self, inner: StatefulSinkPartition[Any, Any], step_id: str, guard: Guard) -> None:
        self._inner, self._step_id = inner, step_id
        self._guarded, self._snapshot, self._close = (
            guard(self._write),
            guard(inner.snapshot),
            guard(inner.close),
        )

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        self._guarded(values)

    def _write(self, values: list[pa.RecordBatch]) -> None:
        tracer = traces.current()
        with tracer.span("sink", values, step=self._step_id):
            self._inner.write_batch([tracer.unmarked(batch) for batch in values])

    def snapshot(self) -> Any:
        return self._snapshot()

    def close(self) -> None:
        self._close()
