"""Gauges of what the drift stage holds."""

from dataflow.drift.tracker import Tracker
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects

#: The windows of the key groups in this process.
TRACKERS: LiveObjects[Tracker] = LiveObjects()


def show() -> None:
    """Make the gauges show what the objects hold whenever metrics are read."""
    metrics.DRIFT_KEYS.set_function(lambda: sum(map(len, TRACKERS)))
