"""The messages between the steps of the window stage.

The step ``window`` sends the orders ``Append``, ``Gather``, ``Trim``, ``Drop`` and ``Recall`` to a chunk. The
stored half of the chunk (step ``keep``) sends ``Replace`` and ``Gone`` to its reading half (step ``read``).
The reading half sends ``Part`` to the step ``assemble``.

In all messages, times are microseconds since the Unix epoch, UTC.
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
    """Hand over the rows of a chunk that are in ``window`` and have at least the sampling level ``level``.

    There must be ``rows`` such rows. They are one of the ``parts`` parts of the window. ``seen``: how many
    events of the window came in time, with those that the sample left out. ``arrival_us``: when the records
    that closed the window were read; ``None`` if no records closed it.
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
    """Remove rows of a chunk that no window needs.

    These are the rows with event times before ``before``, and for each ``(start, end, level)`` of
    ``thinned``, the rows with event times in ``[start, end)`` and a sampling level below ``level``.
    """

    chunk: int
    before: int
    thinned: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Drop:
    """Remove a chunk. No other order to this chunk follows."""

    chunk: int


@dataclass(frozen=True)
class Recall:
    """Send all rows of a chunk to its reading half, which was built from a snapshot and has no rows."""

    chunk: int


Order = Append | Gather | Trim | Drop | Recall


@dataclass
class Output:
    """What one call of the window machine returns.

    ``orders``: the orders, in the order in which they must be carried out. ``late``: late events, as batches
    of schema ``LATE``. ``arrival_us``: when the records of the call were read; ``None`` if there were none.
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
    """The stored half of the chunk has dropped its rows. No ``Replace`` follows."""


@dataclass(frozen=True)
class Part:
    """The rows of one window in one chunk.

    The window is whole when all its ``parts`` parts have come. ``seen`` and ``arrival_us``: see ``Gather``.
    """

    window: WindowRef
    parts: int
    seen: int
    rows: list[Rows]
    arrival_us: int | None
