"""The alert step: takes events that stand out, gives alerts."""

from functools import partial
from typing import Callable  # noqa: UP035  on CPython 3.10, Bytewax takes the other for a class

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from dataflow.alert import gauges
from dataflow.alert.alerts import Alerts
from dataflow.alert.logics import AlertLogic, FromGroup
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.items.marks import Marked
from dataflow.settings import Settings, has_budget
from dataflow.telemetry.watch import Watch


@operator
def alert(
    step_id: str,
    judged: KeyedStream[Judged],
    passed: KeyedStream[Passed],
    early: KeyedStream[Early],
    settings: Settings,
    watch: Watch,
    likeness: Likeness = UNMARKED,
    stopping: Callable[[], bool] = lambda: False,
) -> KeyedStream[Marked]:
    """Decide which events alert, and gather them into incidents.

    ``judged``, ``passed``, ``early``: keyed by key group. Returns batches of ``ALERT``. If the budget is that
    of the stream, one worker decides for all key groups; only events that stand out pass there. ``likeness``:
    what people marked. ``stopping``: returns whether the input ends because the process stops; then the end
    of the input decides nothing.
    """
    gauges.show()
    options, window = settings.alert, settings.window
    of_judged: KeyedStream[FromGroup] = op.map("of_judged", judged, lambda item: (item[0], item))
    of_passed: KeyedStream[FromGroup] = op.map("of_passed", passed, lambda item: (item[0], item))
    of_early: KeyedStream[FromGroup] = op.map("of_early", early, lambda item: (item[0], item))
    messages = op.merge("messages", of_judged, of_passed, of_early)
    per_key = has_budget(options, window) == "key"
    if not per_key:
        messages = op.map("together", messages, lambda item: ("all", item[1]))
    groups = 1 if per_key else window.key_groups

    def stays_open() -> bool:
        return window.on_eof == "keep" or stopping()

    ordered = groups if window.watermark == "stream" else None
    alpha = settings.drift.alpha
    make = partial(Alerts, options, window, ordered, likeness=likeness, drift_alpha=alpha)
    alerts = op.stateful_batch("decide", messages, partial(AlertLogic, make, watch, stays_open))
    return op.map_value("alerts", alerts, Marked)
