"""The Bytewax logic of the drift stage."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from dataflow.drift import gauges
from dataflow.drift.rows import batch
from dataflow.drift.tracker import Tracker
from dataflow.items.judged import Judged
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


class Drifted(NamedTuple):
    """An emission, with what the tests say. ``rows``: schema ``DRIFT``."""

    judged: Judged
    rows: list[pa.RecordBatch]


class DriftLogic(StatefulBatchLogic[Judged, Drifted, dict[str, Any]]):
    """Tests the windows of a key group. ``make`` makes a tracker of its state. ``writes``: whether rows are
    written.
    """

    def __init__(
        self,
        make: Callable[[dict[str, Any] | None], Tracker],
        writes: bool,
        watch: Watch,
        state: dict[str, Any] | None,
    ) -> None:
        self._guard, self._writes = watch.guard, writes
        self._tracker = gauges.TRACKERS.add(make(state))

    def on_batch(self, values: list[Judged]) -> tuple[Iterable[Drifted], bool]:
        # The score stage gives the emissions of a key group in their order.
        return [self._guard(self._take)(value) for value in values], False

    def _take(self, value: Judged) -> Drifted:
        if not value.samples:
            return Drifted(value, [])
        judged, tested = self._tracker.take(value)
        metrics.DRIFT_TESTS.inc(sum(each.tests for each in tested))
        for each in tested:
            metrics.DRIFT_WINDOWS.labels(each.state).inc()
        return Drifted(judged, [batch(tested)] if tested and self._writes else [])

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._tracker.snapshot)()
        return state
