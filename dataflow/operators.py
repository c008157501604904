"""The window stages as bytewax operators: window -> keep, read -> assemble.

Each key's state machine is a ``stateful_batch`` logic of its own; the keys are chosen so that what a
snapshot writes is small and a key's rows spread over all workers::

    window     keyed by key             watermark, windows, and how many rows each chunk has in each pane
    keep       keyed by key, chunk      the rows, written when they change
    read       keyed by key, chunk      the same rows, not written
    assemble   keyed by key, window     the parts of one window, until all have come
"""

import copyreg
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from dataflow import settings
from dataflow.chunks import Assembly, Gone, Keeper, Part, Reader, Replace, WholeWindow
from dataflow.windows import Append, Drop, Gather, Order, Output, Trim, Windows, micros

Clock = Callable[[], datetime]

#: A timer that fires later than this has found the process standing still, not the source.
_STALL = timedelta(seconds=1)

#: Stands between a key and a chunk or window in the key of a step. A key may hold it, too: what follows the
#: last one is ours.
_SEPARATOR = "\x1f"


def _pack(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _unpack(packed: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(packed).read_next_batch()


# Between processes, bytewax pickles. Arrow's own pickle of a slice writes the whole buffer that it was cut
# from (154 MB for 10 rows of 50,000); its IPC format writes the rows.
copyreg.pickle(pa.RecordBatch, lambda batch: (_unpack, (_pack(batch),)))


class _WindowLogic(StatefulBatchLogic[pa.RecordBatch, "Order | pa.RecordBatch", dict[str, Any]]):
    def __init__(
        self, spec: settings.Window, clock: Clock, partitions: Collection[str], state: dict[str, Any] | None
    ) -> None:
        self._clock = clock
        self._closes = spec.on_eof == "close"
        self._windows = Windows(spec, micros(clock()), state, partitions)
        self._wake: datetime | None = None

    def on_batch(self, values: list[pa.RecordBatch]) -> tuple[Iterable[Order | pa.RecordBatch], bool]:
        now = micros(self._clock())
        return [item for rows in values for item in _items(self._windows.push(rows, now))], False

    def on_notify(self) -> tuple[Iterable[Order | pa.RecordBatch], bool]:
        now = self._clock()
        late_by = now - (self._wake or now)
        stalled = micros(late_by) if late_by > _STALL else 0
        return _items(self._windows.tick(micros(now), stalled)), False

    def on_eof(self) -> tuple[Iterable[Order | pa.RecordBatch], bool]:
        return _items(self._windows.finish()) if self._closes else [], False

    def notify_at(self) -> datetime | None:
        at = self._windows.wake_at(micros(self._clock()))
        self._wake = None if at is None else datetime.fromtimestamp(at / 1e6, timezone.utc)
        return self._wake

    def snapshot(self) -> dict[str, Any]:
        return self._windows.snapshot()


class _KeepLogic(StatefulBatchLogic[Order, "Replace | Gone", dict[str, Any]]):
    def __init__(self, state: dict[str, Any] | None) -> None:
        self._keeper = Keeper(state)

    def on_batch(self, values: list[Order]) -> tuple[Iterable[Replace | Gone], bool]:
        told: list[Replace | Gone] = []
        for order in values:
            if isinstance(order, Append | Trim):
                told.extend(self._keeper.take(order))
            elif isinstance(order, Drop):
                return [*told, Gone()], True
        return told, False

    def on_notify(self) -> tuple[Iterable[Replace | Gone], bool]:
        return self._keeper.replay() if self._keeper.owes_replay else [], False

    def notify_at(self) -> datetime | None:
        return datetime.fromtimestamp(0, timezone.utc) if self._keeper.owes_replay else None

    def snapshot(self) -> dict[str, Any]:
        return self._keeper.snapshot()


class _ReadLogic(StatefulBatchLogic["Order | Replace | Gone", Part, dict[str, Any]]):
    def __init__(self, state: dict[str, Any] | None) -> None:
        self._reader = Reader(state)

    def on_batch(self, values: list[Order | Replace | Gone]) -> tuple[Iterable[Part], bool]:
        parts: list[Part] = []
        gone = False
        for item in values:
            made, gone = self._reader.take(item)
            parts.extend(made)
        return parts, gone

    def snapshot(self) -> dict[str, Any]:
        return self._reader.snapshot()


class _AssembleLogic(StatefulBatchLogic[Part, WholeWindow, None]):
    def __init__(self, state: None) -> None:
        self._assembly = Assembly()

    def on_batch(self, values: list[Part]) -> tuple[Iterable[WholeWindow], bool]:
        for part in values:
            if whole := self._assembly.take(part):
                return [whole], True
        return [], False

    def snapshot(self) -> None:
        # All parts of a window come in one epoch, and then this is gone: there is nothing to write.
        return None


@operator
def windows(
    step_id: str,
    up: KeyedStream[pa.RecordBatch],
    spec: settings.Window,
    clock: Clock,
    partitions: Collection[str] = (),
) -> tuple[KeyedStream[WholeWindow], KeyedStream[pa.RecordBatch]]:
    """Gather embedded events, keyed by ``key``, into event-time windows.

    Returns the whole windows, one item an emission, and the late events (schema ``LATE``); both keyed
    by ``key``. ``partitions``: those of the source that have something to say (see ``Windows``).
    """
    items = op.stateful_batch("window", up, lambda state: _WindowLogic(spec, clock, partitions, state))
    split = op.branch("split", items, lambda item: isinstance(item[1], pa.RecordBatch))
    orders = op.map("by_chunk", split.falses, lambda item: (_join(item[0], str(item[1].chunk)), item[1]))
    # A keeper that were told of a window would be awake, and its rows written again.
    changes = op.filter("changes", orders, lambda item: not isinstance(item[1], Gather))
    kept = op.stateful_batch("keep", changes, _KeepLogic)
    parts = op.stateful_batch("read", op.merge("told", orders, kept), _ReadLogic)
    by_window = op.map("by_window", parts, lambda item: (_join(_key(item[0]), _name(item[1])), item[1]))
    whole = op.stateful_batch("assemble", by_window, _AssembleLogic)
    return op.map("by_key", whole, lambda item: (_key(item[0]), item[1])), split.trues


def by_key(batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """A batch's rows by their ``key``, in their order."""
    keys = batch.column("key").dictionary_encode()
    names = keys.dictionary.to_pylist()
    if len(names) == 1:
        return [(names[0], batch)]
    codes = keys.indices.to_numpy()
    order = codes.argsort(kind="stable")
    bounds = [*(codes[order].searchsorted(range(len(names)))).tolist(), len(batch)]
    ordered = batch.take(pa.array(order))
    return [
        (name, ordered.slice(start, stop - start))
        for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True)
    ]


def _items(output: Output) -> list[Order | pa.RecordBatch]:
    return [*output.orders, *output.late]


def _join(key: str, name: str) -> str:
    return f"{key}{_SEPARATOR}{name}"


def _key(joined: str) -> str:
    return joined.rpartition(_SEPARATOR)[0]


def _name(part: Part) -> str:
    return ",".join(map(str, part.window))
