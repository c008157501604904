"""The telemetry of a flow in one object, which the flow hands to every step."""

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
    """The telemetry of a flow. By default it makes no spans, and errors reach the caller."""

    #: Logs counts of dead letters and late events.
    digest: Digest = field(default_factory=lambda: Digest(Log(), time.monotonic))
    #: Makes spans.
    tracer: Tracer = NO_TRACER
    #: Wraps each function that may raise an error while the flow runs.
    guard: Guard = unguarded

    def dead_letters(self, letters: pa.RecordBatch) -> None:
        """Count and log a ``DEAD_LETTER`` batch."""
        if not len(letters):
            return
        for count in pc.value_counts(letters.column("reason")).to_pylist():
            metrics.DEAD_LETTERS.labels(count["values"]).inc(count["counts"])
        self.digest.dead_letters(letters)


#: The default telemetry, for steps that run without a flow.
UNWATCHED = Watch()
