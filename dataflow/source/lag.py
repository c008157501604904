"""Gauges of the data that a source has not read yet."""

from dataclasses import dataclass

from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects, known


@dataclass(eq=False)
class PartitionLag:
    """The unread data of one partition. ``None``: the partition does not know its lag."""

    messages: int | None = None
    bytes: int | None = None
    versions: int | None = None


#: The lag of each partition that is open in this process.
LAGS: LiveObjects[PartitionLag] = LiveObjects()


def show() -> None:
    """From now on, the gauges show the sum of all :data:`LAGS`."""
    metrics.SOURCE_LAG_MESSAGES.set_function(lambda: known(lag.messages for lag in LAGS))
    metrics.SOURCE_LAG_BYTES.set_function(lambda: known(lag.bytes for lag in LAGS))
    metrics.SOURCE_LAG_VERSIONS.set_function(lambda: known(lag.versions for lag in LAGS))
