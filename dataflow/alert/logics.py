"""The Bytewax logic of the alert stage."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from dataflow.alert import gauges
from dataflow.alert.alerts import Alerts
from dataflow.alert.rows import batch
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch

#: A message, and the key group that it comes from.
FromGroup = tuple[str, Judged | Passed | Early]


class AlertLogic(StatefulBatchLogic[FromGroup, pa.RecordBatch, dict[str, Any]]):
    """Decides which events alert. ``make`` makes an ``Alerts`` of its state. ``stays_open``: returns whether
    the end of the input closes no windows.
    """

    def __init__(
        self,
        make: Callable[[dict[str, Any] | None], Alerts],
        watch: Watch,
        stays_open: Callable[[], bool],
        state: dict[str, Any] | None,
    ) -> None:
        self._guard, self._stays_open = watch.guard, stays_open
        self._alerts = gauges.ALERTS.add(make(state))

    def on_batch(self, values: list[FromGroup]) -> tuple[Iterable[pa.RecordBatch], bool]:
        take = self._guard(self._alerts.take)
        return self._send([row for group, message in values for row in take(group, message)]), False

    def on_eof(self) -> tuple[Iterable[pa.RecordBatch], bool]:
        return self._send([] if self._stays_open() else self._guard(self._alerts.finish)()), False

    def _send(self, rows: Sequence[dict[str, Any]]) -> list[pa.RecordBatch]:
        for row in rows:
            metrics.ALERTS.labels(row["state"]).inc()
        metrics.ALERTS_SUPPRESSED.inc(self._alerts.take_suppressed())
        metrics.DRIFT_ALARMS.inc(self._alerts.take_alarms())
        metrics.ALERTS_EXPECTED.inc(self._alerts.take_expected())
        return [batch(rows)] if rows else []

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._alerts.snapshot)()
        return state
