"""Gauges of what the alert stage holds."""

from dataflow.alert.alerts import Alerts
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects

#: What decides alerts in this process.
ALERTS: LiveObjects[Alerts] = LiveObjects()


def show() -> None:
    """Make the gauges show what the objects hold whenever metrics are read."""
    metrics.INCIDENTS_OPEN.set_function(lambda: sum(alerts.open for alerts in ALERTS))
