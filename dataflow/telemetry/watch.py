"""How the steps of a flow are watched: one object that the flow hands to every step."""

import time
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.settings import Log
from dataflow.telemetry import metrics
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.guard import Guard, unguarded
from dataflow.telemetry.tracer import NO_TRACER, Tracer


@dataclass(frozen=True)
class Watch:
    """``guard`` wraps each function that may raise while the flow runs; ``tracer`` makes spans; ``digest``
    logs counts. By default there are no spans, and errors pass through.
    """

    digest: Digest = field(default_factory=lambda: Digest(Log(), time.monotonic))
    tracer: Tracer = NO_TRACER
    guard: Guard = unguarded

    def dead_letters(self, letters: pa.RecordBatch) -> None:
        """Count and log a ``DEAD_LETTER`` batch."""
        if not len(letters):
            return
        for each in pc.value_counts(letters.column("reason")).to_pylist():
            metrics.DEAD_LETTERS.labels(each["values"]).inc(each["counts"])
        self.digest.dead_letters(letters)


#: For a step that nobody watches.
UNWATCHED = Watch()
