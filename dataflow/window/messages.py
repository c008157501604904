"""The messages between the steps of the window stage.

The step ``window`` sends the orders ``Append``, ``Gather``, ``Trim``, ``Drop`` and ``Recall`` to a chunk. The
stored half of the chunk sends ``Replace`` and ``Gone`` to the reading half, which sends ``Part`` to
``assemble``.
"""

from dataclasses import dataclass, field

import pyarrow as pa

from dataflow.items.rows import Rows
from dataflow.items.windows import WindowRef


@dataclass(frozen=True)
class Append:
    """Add ``rows`` (embedded events) to a chunk."""

    chunk: int
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Gather:
    """Hand over the ``rows`` rows of a chunk in ``[window.start, window.end)`` from sampling level ``level``
    up.

    They are one of ``parts`` parts of the window, for which ``seen`` events came in time. ``arrival_us``:
    when the records that closed the window were read, in microseconds since the Unix epoch; ``None`` if no
    records closed it.
    """

    chunk: int
    window: WindowRef
    parts: int
    rows: int
    seen: int
    level: int = 0
    arrival_us: int | None = None


@dataclass(frozen=True)
class Trim:
    """Remove the rows of a chunk from before ``before``.

    Remove also the rows in ``[start, end)`` below the sampling level ``level``, for each ``(start, end,
    level)`` of ``thinned``. Times are microseconds since the Unix epoch.
    """

    chunk: int
    before: int
    thinned: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Drop:
    """Remove a chunk."""

    chunk: int


@dataclass(frozen=True)
class Recall:
    """Send all rows of a chunk to its reading half, which was built from a snapshot without the rows."""

    chunk: int


Order = Append | Gather | Trim | Drop | Recall


@dataclass
class Output:
    """What one call of the window machine makes: ``orders`` in order, and ``late`` rows (schema ``LATE``).

    ``arrival_us``: when the records of the call were read; ``None`` for a call without records.
    """

    orders: list[Order] = field(default_factory=list)
    late: list[pa.RecordBatch] = field(default_factory=list)
    arrival_us: int | None = None


@dataclass(frozen=True)
class Replace:
    """``rows`` are all rows that a chunk holds after its first ``changes`` changes."""

    rows: list[pa.RecordBatch]
    changes: int


@dataclass(frozen=True)
class Gone:
    """The chunk is dropped; no ``Replace`` follows."""


@dataclass(frozen=True)
class Part:
    """The rows of one chunk in one window. The window is whole when all ``parts`` parts have come."""

    window: WindowRef
    parts: int
    seen: int
    rows: list[Rows]
    arrival_us: int | None
