"""Somebody who watches: the source says which partitions it reads, sinks have their spans, and what any of
them raises, or a step between them, ends the process with one line.
"""

import logging
import os
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from types import TracebackType
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import (
    DynamicSink,
    FixedPartitionedSink,
    Sink,
    StatefulSinkPartition,
    StatelessSinkPartition,
)

from dataflow.errors import DriftlineError
from dataflow.source import speaking
from dataflow.stop import Stop
from dataflow.telemetry import logs, traces
from dataflow.telemetry.logs import Event

_log = logging.getLogger(__name__)

#: How Bytewax's error quotes SQLite's.
_STORE_FAILED = re.compile(r'SqliteFailure\(.*?Some\("(.*?)"\)', re.DOTALL)

Step = Callable[..., Any]
Guard = Callable[[Step], Step]


def ending(texts: bool) -> Guard:
    """Makes one line and the end of the process, with code 1, of whatever a step raises; ``texts``: see
    ``settings.Log``.
    """

    def guard(step: Step) -> Step:
        @wraps(step)
        def guarded(*arguments: Any) -> Any:
            try:
                return step(*arguments)
            except StopIteration:
                raise
            except DriftlineError as error:
                _end(Event("error", str(error), exit_code=1))
            except Exception as error:
                _end(_event(error, texts))

        return guarded

    return guard


def last_line(texts: bool) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A ``sys.excepthook`` that logs one line for what ends Bytewax; ``texts``: see ``settings.Log``."""

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if found := _STORE_FAILED.search(str(error)):
            sentence = (
                f"the recovery store cannot be written: {found[1]}; make room or mend its disk, and start "
                "again with the same store"
            )
            _log.critical(Event("error", sentence, exit_code=1))
        else:
            _log.critical(_event(error, texts))

    return log


def _event(error: BaseException, texts: bool) -> Event:
    places = logs.places(error.__traceback__)
    if isinstance(error, OSError):
        # The system's words for the number: those in the error may be anybody's.
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        sentence = f"{error.filename or type(error).__name__}: {why}; at {places[-1]}"
    else:
        # Its message may quote an event: a scorer of the user's own that chokes on a text.
        said = error if texts else "(DRIFTLINE_LOG__TEXTS=true shows what it says)"
        sentence = f"{type(error).__name__} at {', from '.join(reversed(places[-3:]))}: {said}"
    return Event("error", sentence, exit_code=1, traceback=places)


def _end(event: Event) -> None:
    # Raised, it would pass through bytewax as a panic with three tracebacks. To end at once is what recovery
    # is made for.
    _log.critical(event)
    traces.current().stop()
    os._exit(1)


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

    def speaking(self) -> list[str]:
        return speaking(self._inner)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "_WatchedPart":
        part = self._guard(self._inner.build_part)(step_id, for_part, resume_state)
        at = part.snapshot()
        how = "opened" if resume_state is None else "resumed"
        fields = {"partition": for_part, "position": at, "resumed": resume_state is not None}
        _log.info(Event("partition_opened", f"{for_part}: {how} at {at}", **fields))
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
        _log.info(Event(event, f"{self._name}: {what} at {at}", partition=self._name, position=at))

    def next_awake(self) -> datetime | None:
        awake: datetime | None = self._inner.next_awake()
        return awake

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


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
