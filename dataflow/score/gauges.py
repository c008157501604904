"""Gauges of what the score stage holds."""

from dataflow.score.evidence.sample import Samples
from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects

#: The samples of the key groups in this process.
SAMPLES: LiveObjects[Samples] = LiveObjects()


def show() -> None:
    """Make the gauges show what the objects hold whenever metrics are read."""
    metrics.REFERENCE_KEYS.set_function(lambda: sum(group.keys for group in SAMPLES))
    metrics.REFERENCE_EVENTS.set_function(lambda: sum(len(group) for group in SAMPLES))
    metrics.REFERENCE_BYTES.set_function(lambda: sum(group.bytes for group in SAMPLES))
