"""Windows as they move between the stages: whole, and scored."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.rows import Rows, in_order


class WindowRef(NamedTuple):
    """One emission of one window, ``[start, end)``; ``revision`` 0 is the first."""

    start: int
    end: int
    revision: int


@dataclass(frozen=True)
class WholeWindow:
    """One emission of one window. Its ``pieces`` point into the chunks' rows: a row that is in sixty windows
    is copied only when one of them is looked at, and windows that close together are never all in memory.

    ``seen``: how many events came in time; the rows are a sample of them where there are fewer. ``arrival``:
    see ``Gather``.
    """

    ref: WindowRef
    pieces: list[Rows]
    seen: int
    arrival: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def rows(self) -> pa.RecordBatch:
        """All rows in (``ts``, ``id``) order, schema of an embedded batch; made anew at each call."""
        return in_order(self.pieces)


@dataclass(frozen=True)
class ScoredWindow:
    """``rows``: schema ``SCORED`` and the extra fields asked for, with ``large_string`` for texts that are
    too many for ``string``. ``summary``: one ``WINDOW_SUMMARY`` row.
    """

    rows: pa.RecordBatch
    summary: pa.RecordBatch
