"""The messages between the steps of the window stage.

The rows of a key group go to the step ``window`` at once. Their event times (:class:`Times`) go to the step
``progress``, which sends a :class:`Stamp` for them after them.

The step ``window`` sends the orders ``Append``, ``Gather``, ``Trim``, ``Drop`` and ``Recall`` to a chunk. The
stored half of the chunk (step ``keep``) sends ``Replace`` and ``Gone`` to its reading half (step ``read``).
The reading half sends ``Part`` to the step ``assemble``.

In all messages, times are microseconds since the Unix epoch, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.early import Arrived
from dataflow.items.judged import Passed
from dataflow.items.rows import Rows
from dataflow.items.windows import KeyWindow


class Run(NamedTuple):
    """Rows of one partition that passed the source together, named by the position of the first of them."""

    partition: str
    offset: int


@dataclass(frozen=True)
class Times:
    """The event times of a run. ``ts``, ``groups``: ``(n,)`` the event time and the key group of each row."""

    run: Run
    ts: Int64s
    groups: Int64s


@dataclass(frozen=True)
class GroupRows:
    """The rows of one key group in a run, embedded. ``arrival_us``: when they were read, or ``None``."""

    run: Run
    rows: pa.RecordBatch
    arrival_us: int | None = None


@dataclass(frozen=True)
class Stamp:
    """How far the stream had come when the ``k`` rows of one key group in a run passed ``progress``.

    ``run``: the run; ``None`` if the group has no rows in it, so that ``k`` is 0. ``watermark``: ``(k + 1,)``
    the watermark of the stream right before each of the rows, and after the whole run. The other fields are
    there with ``window.watermark = key`` only. ``confirmed``: ``(k,)`` how far each row may move a watermark.
    ``partitions``: for each partition that is not idle, the event time that the partition has come to, and
    its name, the lowest time first; ``NEVER`` for a partition that has records to give, but has given none
    yet.
    """

    run: Run | None
    watermark: Int64s
    confirmed: Int64s | None = None
    partitions: tuple[tuple[int, str], ...] = ()


class Extent(NamedTuple):
    """Rows with event times in ``[start, end)`` and at least the sampling level ``level``."""

    start: int
    end: int
    level: int = 0


@dataclass(frozen=True)
class Append:
    """Add ``rows`` (embedded events) to a chunk."""

    chunk: int
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Gather:
    """Hand over the rows of a chunk that are in windows.

    ``windows``: the window of each key that has rows in the chunk, or the one window of all keys. ``levels``:
    the least sampling level of the rows of each key; 0 for a key that is not in it. There must be ``rows``
    such rows. They are one of the ``parts`` parts of emission number ``emission`` of the key group.
    ``arrival_us``: when the records that closed the windows were read; ``None`` if no records closed them.
    ``arrived``: how many ``Arrived`` the key group sent before.
    """

    chunk: int
    emission: int
    windows: KeyWindow | Mapping[str, KeyWindow]
    parts: int
    rows: int
    levels: Mapping[str, int] = field(default_factory=dict)
    arrival_us: int | None = None
    arrived: int = 0


@dataclass(frozen=True)
class Trim:
    """Remove the rows of a chunk that no window needs.

    ``needed``: what stays, by key; the key ``None`` stands for all keys. There must be ``rows`` such rows.
    """

    chunk: int
    needed: Mapping[str | None, Sequence[Extent]]
    rows: int


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
    ``passed``: how far the group has come; ``None``: no window can have ended since that was said last.
    ``arrived``: events that have come, if alerts may come before windows end.
    """

    orders: list[Order] = field(default_factory=list)
    late: list[pa.RecordBatch] = field(default_factory=list)
    arrival_us: int | None = None
    passed: Passed | None = None
    arrived: list[Arrived] = field(default_factory=list)


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
    """The rows of one emission in one chunk. The emission is whole when all its ``parts`` parts have come.

    The other fields are those of ``Gather``.
    """

    emission: int
    windows: KeyWindow | Mapping[str, KeyWindow]
    parts: int
    rows: list[Rows]
    arrival_us: int | None
    arrived: int = 0
