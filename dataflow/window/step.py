"""The window stages as bytewax operators: progress -> window -> keep, read -> assemble.

Each key's state machine is a ``stateful_batch`` logic of its own; the keys are chosen so that what a
snapshot writes is small and a key's rows spread over all workers::

    progress   one for all              how far each partition of the source has come
    window     keyed by key             watermark, windows, and how many rows each chunk has in each pane
    keep       keyed by key, chunk      the rows, written when they change
    read       keyed by key, chunk      the same rows, not written
    assemble   keyed by key, window     the parts of one window, until all have come
"""

import copyreg
from dataclasses import dataclass
from functools import partial
from typing import Callable, Collection  # noqa: UP035  see `windows`

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow import settings
from dataflow.clock import Clock
from dataflow.items.ipc import pack, unpack
from dataflow.items.windows import WholeWindow
from dataflow.telemetry.guard import Guard
from dataflow.window.logics import (
    _AssembleLogic,
    _Common,
    _KeepLogic,
    _Loads,
    _ProgressLogic,
    _ReadLogic,
    _WindowLogic,
)
from dataflow.window.messages import Gather, Part, Recall
from dataflow.window.progress import Stamped

#: Stands between a key and a chunk or window in the key of a step. A key may hold it, too: what follows the
#: last one is ours.
_SEPARATOR = "\x1f"


# Between processes, bytewax pickles. Arrow's own pickle of a slice writes the whole buffer that it was cut
# from (154 MB for 10 rows of 50,000); its IPC format writes the rows.
copyreg.pickle(pa.RecordBatch, lambda batch: (_unpickled, (pack([batch]),)))


def _unpickled(packed: bytes) -> pa.RecordBatch:
    (batch,) = unpack(packed)
    return batch


@dataclass(frozen=True)
class WindowsOut:
    """Whole windows, one item an emission, and late events (schema ``LATE``); both keyed by ``key``."""

    # Not a tuple: bytewax lifts only the fields of a dataclass out of the operator's scope.
    whole: KeyedStream[WholeWindow]
    late: KeyedStream[pa.RecordBatch]


@operator
def gather_windows(
    step_id: str,
    up: Stream[pa.RecordBatch],
    spec: settings.Window,
    clock: Clock,
    partitions: Collection[str] = (),
    guard: Guard = lambda step: step,
    stopping: Callable[[], bool] = lambda: False,
) -> WindowsOut:
    """Gather embedded events by their ``key`` into event-time windows.

    ``partitions``: those of the source that have something to say; the watermarks wait for them. ``guard``
    wraps the steps that raise ``LostRowsError`` when rows are missing. ``stopping``: whether the input ends
    because the process stops, so that no window may close by that.
    """
    # On CPython 3.10, bytewax takes the builtin generics in an operator's signature for classes and fails.
    loads = _Loads(clock)
    common = _Common(spec, clock, partitions, loads, stopping)
    passing = op.map("pass", up, lambda batch: ("all", batch))
    stamped = op.stateful_batch("progress", passing, partial(_ProgressLogic, common))
    keyed = op.flat_map("by_key", stamped, lambda item: by_key(item[1]))
    items = op.stateful_batch("window", keyed, partial(_WindowLogic, common))
    split = op.branch("split", items, lambda item: isinstance(item[1], pa.RecordBatch))
    orders = op.map("by_chunk", split.falses, lambda item: (_join(item[0], str(item[1].chunk)), item[1]))
    # A keeper that were told of a window would be awake, and its rows written again.
    changes = op.filter("changes", orders, lambda item: not isinstance(item[1], Gather))
    kept = op.stateful_batch("keep", changes, partial(_KeepLogic, loads))
    wanted = op.filter("wanted", orders, lambda item: not isinstance(item[1], Recall))
    parts = op.stateful_batch("read", op.merge("told", wanted, kept), partial(_ReadLogic, guard))
    by_window = op.map("by_window", parts, lambda item: (_join(_key(item[0]), _name(item[1])), item[1]))
    whole = op.stateful_batch("assemble", by_window, partial(_AssembleLogic, guard))
    return WindowsOut(op.map("whole", whole, lambda item: (_key(item[0]), item[1])), split.trues)


def by_key(stamped: Stamped) -> list[tuple[str, Stamped]]:
    """A batch's rows by their ``key``, in their order."""
    keys = stamped.rows.column("key")
    names = keys.unique().to_pylist()
    if len(names) == 1:
        return [(names[0], stamped)]
    # Of both, the order is that of the first of each.
    codes = keys.dictionary_encode().indices.to_numpy()
    order = codes.argsort(kind="stable")
    bounds = [*(codes[order].searchsorted(range(len(names)))).tolist(), len(codes)]
    ordered = stamped.rows.take(pa.array(order))
    moves = None if stamped.moves is None else stamped.moves[order]
    return [
        (
            name,
            Stamped(
                ordered.slice(start, stop - start),
                stamped.progress,
                None if moves is None else moves[start:stop],
            ),
        )
        for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True)
    ]


def _join(key: str, name: str) -> str:
    return f"{key}{_SEPARATOR}{name}"


def _key(joined: str) -> str:
    return joined.rpartition(_SEPARATOR)[0]


def _name(part: Part) -> str:
    return ",".join(map(str, part.window))
