"""A record batch on its way between two steps, with what the steps know about the batch beside its rows."""

from dataclasses import dataclass, replace

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Marked:
    """``rows`` with the marks of the micro-batch or window that they come from. Marks are never part of
    state.

    ``arrival_us``: when the records were read, in microseconds since the Unix epoch; ``None``: unknown.
    ``trace``: the span that made the rows, as W3C ``traceparent``; ``None``: nobody traces.
    """

    rows: pa.RecordBatch
    arrival_us: int | None = None
    trace: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def with_rows(self, rows: pa.RecordBatch) -> "Marked":
        """Other rows with the same marks."""
        return replace(self, rows=rows)
