"""How much of a source was not read yet."""

from dataclasses import dataclass

from dataflow.telemetry.live_objects import LiveObjects


@dataclass(eq=False)
class PartitionLag:
    """What a partition of a source shows: how much it has that was not read yet; ``None``: unknown."""

    messages: int | None = None
    bytes: int | None = None


PARTITIONS: LiveObjects[PartitionLag] = LiveObjects()
