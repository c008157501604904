"""The window stage: embedded events in, whole windows and late events out.

The stage has five stateful steps. They are keyed so that a snapshot writes little, and so that the rows of
one key are spread over all workers::

    step       keyed by      holds
    progress   one key       how far each partition of the source has come
    window     key           the watermark, the windows, and the number of rows of each chunk in each pane
    keep       key, chunk    the rows of the chunk; a snapshot writes them if they have changed
    read       key, chunk    references to the same rows; a snapshot does not write them
    assemble   key, window   the parts of one window until all parts have come

The step ``window`` sends orders to the chunks (:mod:`dataflow.window.messages`). Why the rows are kept by two
steps is explained in :mod:`dataflow.window.chunk`.
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

#: The separator between an event key and a chunk or window in the key of a step. An event key may contain the
#: separator, too: what follows the last separator is the chunk or window.
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class WindowsOut:
    """The streams that leave the window stage, keyed by the ``key`` of the events.

    ``whole``: whole windows, one item for each emission of a window. ``late``: late events, schema ``LATE``.
    """

    # A dataclass, because Bytewax finds the streams of an operator in the fields of a dataclass, but not in
    # the items of a tuple.
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

    ``up``: batches of ``embedded_schema``. ``options``: the settings of the stage. ``clock``: the wall clock;
    only ``idle_timeout`` and ``remember`` need it. ``partitions``: the partitions of the source that have
    records to give; watermarks wait for an event of each. ``watch``: what observes the stage. ``stopping``:
    returns whether the input ends because the process stops; then the end of the input closes no window.

    The flow ends with ``LostRowsError`` if rows of a window are missing from the recovery store.

    >>> from datetime import timedelta
    >>> import pyarrow as pa
    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> from dataflow.clock import utc_now
    >>> from dataflow.items.schemas import embedded_schema
    >>> def embedded(*seconds: int) -> Marked:
    ...     n = len(seconds)
    ...     columns = {
    ...         "id": [f"at {second} s" for second in seconds],
    ...         "key": ["sensor"] * n,
    ...         "ts": [second * 1_000_000 for second in seconds],
    ...         "text": ["some text"] * n,
    ...         "partition": ["file.jsonl"] * n,
    ...         "offset": list(range(n)),
    ...         "attributes": ["{}"] * n,
    ...         "embedding": [[0.5, 0.5]] * n,
    ...         "model": ["null"] * n,
    ...         "model_version": ["1"] * n,
    ...     }
    ...     return Marked(pa.RecordBatch.from_pydict(columns, schema=embedded_schema(2)))

    Windows of ten seconds; the watermark is two seconds behind the newest event, whatever its time
    (``max_jump``):

    >>> options = Window(
    ...     kind="tumbling",
    ...     length=timedelta(seconds=10),
    ...     delay=timedelta(seconds=2),
    ...     max_jump=timedelta(0),
    ... )
    >>> flow = Dataflow("example")
    >>> events = op.input("source", flow, TestingSource([embedded(1, 11, 9), embedded(13, 4, 14)]))
    >>> windows = gather_windows("window", events, options, utc_now)
    >>> whole, late = [], []
    >>> op.output("whole", windows.whole, TestingSink(whole))
    >>> op.output("late", windows.late, TestingSink(late))
    >>> run_main(flow)

    The event at 13 s moves the watermark to 11 s, which closes the first window. The event at 4 s is late:

    >>> for key, window in whole:
    ...     print(key, window.ref.start // 1_000_000, window.gather().column("id").to_pylist())
    sensor 0 ['at 1 s', 'at 9 s']
    sensor 10 ['at 11 s', 'at 13 s', 'at 14 s']
    >>> [marked.rows.column("id").to_pylist() for key, marked in late]
    [['at 4 s']]
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
    # An order to hand over rows changes no chunk. It must not make the step `keep` active, because a snapshot
    # would then write the rows.
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
