"""Windows as they move from stage to stage: whole windows and scored windows."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.rows import Rows, in_order


class WindowRef(NamedTuple):
    """One emission of the window ``[start, end)``.

    ``start``, ``end``: microseconds since the Unix epoch, UTC. ``revision``: 0 for the first emission of the
    window, then 1, 2, and so on.
    """

    start: int
    end: int
    revision: int


@dataclass(frozen=True)
class WholeWindow:
    """One emission of one window, with all its rows.

    ``parts``: the rows, which stay in the batches of the chunks. So the rows of windows that close together
    are never all in memory as copies: a row that is in sixty windows is copied when one of them is gathered.
    ``seen``: how many events came in time; there are fewer rows if the rows are a sample. ``arrival_us``:
    when the records that closed the window were read, in microseconds since the Unix epoch; ``None``:
    unknown.

    >>> from dataflow.items.schemas import TIMESTAMP
    >>> batch = pa.record_batch({"ts": pa.array([20, 10, 30], TIMESTAMP), "id": ["b", "a", "c"]})
    >>> window = WholeWindow(WindowRef(start=0, end=60, revision=0), [Rows(batch)], seen=3)
    >>> len(window), window.gather().column("id").to_pylist()
    (3, ['a', 'b', 'c'])
    """

    ref: WindowRef
    parts: list[Rows]
    seen: int
    arrival_us: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def gather(self) -> pa.RecordBatch:
        """All rows as one batch of ``embedded_schema``, sorted by (``ts``, ``id``). Each call copies them."""
        return in_order(self.parts)


@dataclass(frozen=True)
class ScoredWindow:
    """The scores of one emission of one window.

    ``rows``: schema ``SCORED`` and the additional fields that the settings ask for. Text columns have the
    type ``large_string`` if ``string`` has no room for all texts. ``summary``: one row of ``WINDOW_SUMMARY``.
    """

    rows: pa.RecordBatch
    summary: pa.RecordBatch
