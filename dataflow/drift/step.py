"""The drift step: takes the windows of emissions, tests whether they differ from what came before."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from dataflow.drift import gauges
from dataflow.drift.logics import DriftLogic
from dataflow.drift.tracker import Tracker
from dataflow.items.judged import Judged
from dataflow.items.marks import Marked
from dataflow.settings import Settings
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class DriftOut:
    """The streams out of the drift step."""

    #: The emissions with what the tests say, keyed by key group.
    judged: KeyedStream[Judged]
    #: A row for each window that is large enough, schema ``DRIFT``.
    rows: KeyedStream[Marked]


@operator
def drift(step_id: str, up: KeyedStream[Judged], settings: Settings, watch: Watch) -> DriftOut:
    """Test the windows of emissions. ``up``: keyed by key group, the emissions of a group in order."""
    gauges.show()
    most = max(settings.drift.keys // settings.window.key_groups, 1)
    make = partial(Tracker, settings.drift, settings.window, most)
    tested = op.stateful_batch("test", up, partial(DriftLogic, make, bool(settings.sink.drift), watch))
    return DriftOut(
        op.map_value("judged", tested, lambda each: each.judged),
        op.flat_map_value("rows", tested, lambda each: map(Marked, each.rows)),
    )
