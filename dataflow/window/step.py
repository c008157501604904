"""The window stage: embedded events in, whole windows and late events out.

The keys are divided into key groups (:mod:`dataflow.window.split`). The stage has five stateful steps. They
are keyed so that a snapshot writes little, and so that the rows of one key are spread over all workers::

    step       keyed by          holds
    progress   one key           the watermark of the stream; how far each partition of the source has come
    window     group             the windows, and the number of rows of each chunk in each pane
    keep       group, chunk      the rows of the chunk; a snapshot writes them if they have changed
    read       group, chunk      references to the same rows; a snapshot does not write them
    assemble   group, emission   the parts of windows that are emitted together, until all parts have come

The rows go straight to the step ``window`` of their group. Their event times go through ``progress``, which
sends a stamp for them to the group. The step ``window`` sends orders to the chunks
(:mod:`dataflow.window.messages`). Why the rows are kept by two steps is explained in
:mod:`dataflow.window.chunk`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Collection  # noqa: UP035  on CPython 3.10, Bytewax takes the others for classes

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock
from dataflow.items import ipc
from dataflow.items.early import Arrived
from dataflow.items.judged import Passed
from dataflow.items.marks import Marked
from dataflow.items.windows import WholeWindows
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
from dataflow.window.messages import Gather, GroupRows, Order, Output, Recall, Stamp
from dataflow.window.split import split


@dataclass(frozen=True)
class WindowsOut:
    """The streams that leave the window stage, keyed by key group.

    ``whole``: whole windows, those that are emitted together in one item. ``late``: late events, schema
    ``LATE``. ``passed``: how far each key group has come. ``arrived``: the events that belong to windows, as
    they come; nothing unless that is asked for.
    """

    # A dataclass, because Bytewax finds the streams of an operator in the fields of a dataclass, but not in
    # the items of a tuple.
    whole: KeyedStream[WholeWindows]
    late: KeyedStream[Marked]
    passed: KeyedStream[Passed]
    arrived: KeyedStream[Arrived]


@operator
def gather_windows(
    step_id: str,
    up: Stream[Marked],
    options: Window,
    clock: Clock,
    partitions: Collection[str] = (),
    watch: Watch = UNWATCHED,
    stopping: Callable[[], bool] = lambda: False,
    announces: bool = False,
) -> WindowsOut:
    """Gather embedded events by their ``key`` into event-time windows.

    ``up``: batches of ``embedded_schema``. ``options``: the settings of the stage. ``clock``: the wall clock;
    only ``idle_timeout`` and ``remember`` need it. ``partitions``: the partitions of the source that have
    records to give; watermarks wait for an event of each. ``watch``: what observes the stage. ``stopping``:
    returns whether the input ends because the process stops; then the end of the input closes no window.
    ``announces``: whether the stream ``arrived`` is asked for; not with sessions, and not with
    ``window.watermark = key``.

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
    ...         "masked": [None] * n,
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

    >>> for group, windows in whole:
    ...     print(windows.window("sensor").ref.start // 1_000_000, windows.gather().column("id").to_pylist())
    0 ['at 1 s', 'at 9 s']
    10 ['at 11 s', 'at 13 s', 'at 14 s']
    >>> [marked.rows.column("id").to_pylist() for group, marked in late]
    [['at 4 s']]
    """
    ipc.pickle_rows_only()
    gauges.show()
    common = Common(options, clock, watch, partitions, Loading(clock), stopping, announces)
    pieces = op.map("split", up, lambda marked: split(marked, options.key_groups))
    times = op.flat_map("times", pieces, lambda pieces: [("all", times) for times in pieces.times])
    stamps = op.stateful_batch("progress", times, partial(ProgressLogic, common))
    stamped = op.map("by_group", stamps, lambda item: (str(item[1][0]), item[1][1]))
    rows = op.flat_map("rows", pieces, lambda pieces: [(str(group), rows) for group, rows in pieces.rows])
    to_window: KeyedStream[GroupRows | Stamp] = op.merge("to_window", rows, stamped)
    outputs = op.stateful_batch("window", to_window, partial(WindowLogic, common))
    late = op.flat_map_value("late", outputs, lambda output: map(Marked, output.late))
    passed = op.flat_map_value("passed", outputs, lambda output: [output.passed] if output.passed else [])
    arrived = op.flat_map_value("arrived", outputs, lambda output: output.arrived)
    orders = op.flat_map("by_chunk", outputs, lambda item: _by_chunk(*item))
    # An order to hand over rows changes no chunk. It must not make the step `keep` active, because a snapshot
    # would then write the rows.
    changes = op.filter("changes", orders, lambda item: not isinstance(item[1], Gather))
    kept = op.stateful_batch("keep", changes, partial(KeepLogic, common))
    wanted = op.filter("wanted", orders, lambda item: not isinstance(item[1], Recall))
    parts = op.stateful_batch("read", op.merge("to_read", wanted, kept), partial(ReadLogic, common))
    by_emission = op.map(
        "by_emission", parts, lambda item: (_join(_group(item[0]), item[1].emission), item[1])
    )
    whole = op.stateful_batch("assemble", by_emission, partial(AssembleLogic, common))
    by_group = op.map("whole", whole, lambda item: (_group(item[0]), item[1]))
    return WindowsOut(by_group, late, passed, arrived)


def _by_chunk(group: str, output: Output) -> list[tuple[str, Order]]:
    return [(_join(group, order.chunk), order) for order in output.orders]


def _join(group: str, number: int) -> str:
    return f"{group}:{number}"


def _group(joined: str) -> str:
    return joined.partition(":")[0]
