"""The window step: embedded events in, whole windows and late events out.

Five stateful steps, each keyed so that a snapshot writes little and the rows of a key spread over all
workers::

    progress   one key for all          how far each partition of the source has come
    window     keyed by key             watermark, windows, and the number of rows of each chunk in each pane
    keep       keyed by key, chunk      the rows of the chunk; a snapshot writes them when they change
    read       keyed by key, chunk      the same rows; a snapshot does not write them
    assemble   keyed by key, window     the parts of one window, until all parts have come
"""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Collection  # noqa: UP035  on CPython 3.10, Bytewax takes the others for classes

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock
from dataflow.items import ipc
from dataflow.items.marks import Marked
from dataflow.items.windows import WholeWindow
from dataflow.settings import Window
from dataflow.telemetry.watch import UNWATCHED, Watch
from dataflow.window import gauges
from dataflow.window.logics import (
    AssembleLogic,
    Common,
    KeepLogic,
    Loading,
    ProgressLogic,
    ReadLogic,
    WindowLogic,
)
from dataflow.window.messages import Gather, Order, Output, Part, Recall
from dataflow.window.progress import by_key

#: Stands between a key and a chunk or window in the key of a step. A key may contain the separator, too: the
#: part behind the last separator is the chunk or window.
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class WindowsOut:
    """``whole``: one item for each emission of a window. ``late``: schema ``LATE``. Both are keyed by
    ``key``.
    """

    # Bytewax takes only the fields of a dataclass out of the operator's scope, not the items of a tuple.
    whole: KeyedStream[WholeWindow]
    late: KeyedStream[Marked]


@operator
def gather_windows(
    step_id: str,
    up: Stream[Marked],
    options: Window,
    clock: Clock,
    partitions: Collection[str] = (),
    watch: Watch = UNWATCHED,
    stopping: Callable[[], bool] = lambda: False,
) -> WindowsOut:
    """Gather embedded events by their ``key`` into event-time windows.

    ``partitions``: the partitions of the source that have data; watermarks wait for an event of each.
    ``stopping``: whether the input ends because the process stops; then the end of the input closes no
    window. The flow ends with ``LostRowsError`` if rows of a window are missing.
    """
    ipc.pickle_rows_only()
    gauges.show()
    common = Common(options, clock, watch, partitions, Loading(clock), stopping)
    passing = op.map("pass", up, lambda marked: ("all", marked))
    stamped = op.stateful_batch("progress", passing, partial(ProgressLogic, common))
    keyed = op.flat_map("by_key", stamped, lambda item: by_key(item[1]))
    outputs = op.stateful_batch("window", keyed, partial(WindowLogic, common))
    late = op.flat_map_value("late", outputs, lambda output: map(Marked, output.late))
    orders = op.flat_map("by_chunk", outputs, lambda item: _by_chunk(*item))
    # A chunk that is asked for rows has not changed, so the step that writes rows must not wake up.
    changes = op.filter("changes", orders, lambda item: not isinstance(item[1], Gather))
    kept = op.stateful_batch("keep", changes, partial(KeepLogic, common))
    wanted = op.filter("wanted", orders, lambda item: not isinstance(item[1], Recall))
    parts = op.stateful_batch("read", op.merge("to_read", wanted, kept), partial(ReadLogic, common))
    by_window = op.map("by_window", parts, lambda item: (_join(_key(item[0]), _name(item[1])), item[1]))
    whole = op.stateful_batch("assemble", by_window, partial(AssembleLogic, common))
    return WindowsOut(op.map("whole", whole, lambda item: (_key(item[0]), item[1])), late)


def _by_chunk(key: str, output: Output) -> list[tuple[str, Order]]:
    return [(_join(key, order.chunk), order) for order in output.orders]


def _join(key: str, name: object) -> str:
    return f"{key}{_SEPARATOR}{name}"


def _key(joined: str) -> str:
    return joined.rpartition(_SEPARATOR)[0]


def _name(part: Part) -> str:
    return ",".join(map(str, part.window))
