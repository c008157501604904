"""A record batch on its way between two steps, with what the steps know about the batch besides its rows."""

from dataclasses import dataclass, replace

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Marked:
    """``rows``, with the marks of the micro-batch or the window that they come from.

    ``arrival_us``: when the records were read, in microseconds since the Unix epoch; ``None``: unknown.
    ``trace``: the span that made the rows, as a W3C ``traceparent``; ``None`` if there are no traces.
    Marks are never part of the state.

    >>> batch = pa.record_batch({"id": ["a", "b"]})
    >>> marked = Marked(batch, arrival_us=1_700_000_000_000_000)
    >>> first = marked.with_rows(batch.slice(0, 1))
    >>> len(first), first.arrival_us
    (1, 1700000000000000)
    """

    rows: pa.RecordBatch
    arrival_us: int | None = None
    trace: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def with_rows(self, rows: pa.RecordBatch) -> "Marked":
        """Other rows with the same marks."""
        return replace(self, rows=rows)
