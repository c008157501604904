"""What the steps of the window stage send each other."""

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
    """Hand over a chunk's ``rows`` rows in ``[window.start, window.end)`` from sampling level ``level`` up:
    one of ``parts`` of the window, for which ``seen`` events came in time. ``arrival``: when the records that
    closed it were read, in microseconds since the Unix epoch; ``None``: no records did.
    """

    chunk: int
    window: WindowRef
    parts: int
    rows: int
    seen: int
    level: int = 0
    arrival: int | None = None


@dataclass(frozen=True)
class Trim:
    """Forget a chunk's rows from before ``before``, and those in ``[start, end)`` below a sampling level,
    for each ``(start, end, level)`` of ``thinned``.
    """

    chunk: int
    before: int
    thinned: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Drop:
    """Forget a chunk."""

    chunk: int


Order = Append | Gather | Trim | Drop


@dataclass
class Output:
    """What one call makes: ``orders``, in order, and ``late`` rows (schema ``LATE``)."""

    orders: list[Order] = field(default_factory=list)
    late: list[pa.RecordBatch] = field(default_factory=list)


@dataclass(frozen=True)
class Recall:
    """To a keeper: its reader has been built from a snapshot, without the rows."""

    chunk: int


@dataclass(frozen=True)
class Replace:
    """From a keeper to its reader: ``rows`` are what the chunk holds after its first ``changes``."""

    rows: list[pa.RecordBatch]
    changes: int


@dataclass(frozen=True)
class Gone:
    """From a keeper to its reader: no ``Replace`` will follow, the chunk has been dropped."""


@dataclass(frozen=True)
class Part:
    """A chunk's rows of one window; the window is whole when all ``parts`` have come."""

    window: WindowRef
    parts: int
    seen: int
    pieces: list[Rows]
    arrival: int | None
