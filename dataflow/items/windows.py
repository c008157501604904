"""Windows as they move between the stages: whole, and scored."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.rows import Rows, in_order


class WindowRef(NamedTuple):
    """One emission of the window ``[start, end)``, in microseconds since the Unix epoch.

    ``revision`` is 0 for the first emission, and counts up.
    """

    start: int
    end: int
    revision: int


@dataclass(frozen=True)
class WholeWindow:
    """One emission of one window.

    ``parts`` point into the rows of the chunks. So a row that is in sixty windows is copied only when one of
    these windows is gathered, and the rows of windows that close together are never all in memory.
    ``seen``: how many events came in time; there are fewer rows where the rows are a sample. ``arrival_us``:
    see ``Gather``.
    """

    ref: WindowRef
    parts: list[Rows]
    seen: int
    arrival_us: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def gather(self) -> pa.RecordBatch:
        """All rows as one batch of ``embedded_schema``, in (``ts``, ``id``) order; each call copies them."""
        return in_order(self.parts)


@dataclass(frozen=True)
class ScoredWindow:
    """The scores of one emission of one window.

    ``rows``: schema ``SCORED`` and the extra fields asked for, with ``large_string`` where ``string`` has no
    room for all the texts. ``summary``: one ``WINDOW_SUMMARY`` row.
    """

    rows: pa.RecordBatch
    summary: pa.RecordBatch
