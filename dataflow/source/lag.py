"""How much data of a source is not read yet, as gauges."""

from dataclasses import dataclass

from dataflow.telemetry import metrics
from dataflow.telemetry.live_objects import LiveObjects, known


@dataclass(eq=False)
class PartitionLag:
    """The unread data of one partition; ``None``: unknown."""

    messages: int | None = None
    bytes: int | None = None


#: The partitions that this process reads.
PARTITIONS: LiveObjects[PartitionLag] = LiveObjects()


def show() -> None:
    """From now on, the gauges show the lag of all ``PARTITIONS``."""
    metrics.SOURCE_LAG_MESSAGES.set_function(lambda: known(part.messages for part in PARTITIONS))
    metrics.SOURCE_LAG_BYTES.set_function(lambda: known(part.bytes for part in PARTITIONS))
