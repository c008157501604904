"""Where a key's rows are kept: append-only chunks, each in two halves that share the rows.

A snapshot writes the whole state of what was awake. So the half that is awake whenever a window ends
(:class:`ChunkReader`) writes a number, and the half that writes rows (:class:`StoredChunk`) is awake only
while its chunk changes. Both are told of each change, and count them. When the keeper has rewritten its rows
(trimmed or compacted them, or read them from a snapshot) it gives them to the reader as a :class:`Replace`.
The two hear of a change at different times, so the reader takes a ``Replace`` only once it has itself come to
the change that it includes: orders in between still find their rows.

:class:`Assembly` puts the parts of one window together. No bytewax here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.clock import rfc3339
from dataflow.errors import LostRowsError
from dataflow.items.ipc import pack_embedded, unpack_embedded
from dataflow.items.rows import Rows, SortedBatch, event_times
from dataflow.items.windows import WholeWindow
from dataflow.window.messages import Append, Drop, Gather, Gone, Order, Part, Replace, Trim
from dataflow.window.sample import levels

#: The format of the state.
FORMAT = 2

_REMEDY = "restore a backup of the recovery store, or start with an empty one; please report it"

#: So many batches of like size are worth copying into one: a small batch costs more in overhead than in rows.
TIER = 32
#: Batches of more bytes in all are not: they are not small, and their texts may be more than a column holds.
COMPACT_BYTES = 2**30


class StoredChunk:
    """The half of a chunk that recovery writes: all its rows, until it is dropped."""

    __slots__ = ("__weakref__", "_appended", "_changes", "_rows")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._changes: int = state["changes"] if state else 0
        self._rows: list[pa.RecordBatch] = unpack_embedded(state) if state else []
        self._appended = 0

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The rows, as several batches."""
        # Copied, because gauges read the list in another thread.
        return list(self._rows)

    def snapshot(self) -> dict[str, Any]:
        """The rows and the number of changes, as plain data."""
        return {"format": FORMAT, "changes": self._changes, **pack_embedded(self._rows)}

    def apply(self, change: Append | Trim) -> list[Replace]:
        """Carry out a change; the messages for the reading half."""
        self._changes += 1
        if isinstance(change, Append):
            self._rows.append(change.rows)
            self._appended += 1
            if self._appended % TIER:
                return []
            self._compact()
        else:
            self._rows = [kept for rows in self._rows if len(kept := _needed(rows, change))]
            self._appended = 0
        return [self.replace()]

    def _compact(self) -> None:
        """The last ``TIER`` batches become one, then the last ``TIER`` of such, and so on: a row is copied a
        few times, not once for each batch that comes after it.
        """
        appended = self._appended
        while appended % TIER == 0:
            if sum(rows.nbytes for rows in self._rows[-TIER:]) > COMPACT_BYTES:
                return
            self._rows[-TIER:] = [pa.concat_batches(self._rows[-TIER:])]
            appended //= TIER

    def replace(self) -> Replace:
        """All the rows, for the reading half."""
        return Replace(list(self._rows), self._changes)


class ChunkReader:
    """The half of a chunk that hands over the rows of windows; its snapshot is one number."""

    __slots__ = ("_changes", "_ends", "_held", "_lacks_replay", "_replaces", "_rows")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._changes: int = state["changes"] if state else 0
        self._lacks_replay = state is not None
        self._rows: list[tuple[int, SortedBatch]] = []
        self._replaces: list[Replace] = []
        self._held: list[Order | Gone] = []
        self._ends: set[type] = set()

    def snapshot(self) -> dict[str, Any]:
        """Plain data. Raises ``LostRowsError`` if rows that an order needs did not come."""
        # What a change causes happens within the change's own epoch, and a snapshot ends one.
        if self._held or self._replaces:
            raise LostRowsError(
                "the state has lost rows: a part of it did not come within its epoch; " + _REMEDY
            )
        return {"format": FORMAT, "changes": self._changes}

    def take(self, item: Order | Replace | Gone) -> tuple[list[Part], bool]:
        """Carry out an order. Returns the parts to send on, and whether the chunk is gone."""
        if isinstance(item, Replace):
            self._replaces.append(item)
            self._apply()
        else:
            self._held.append(item)
        if self._lacks_replay:
            return [], False
        held, self._held = self._held, []
        parts = [part for order in held if (part := self._carry_out(order))]
        return parts, len(self._ends) == 2

    def _carry_out(self, order: Order | Gone) -> Part | None:
        match order:
            case Gather():
                return self._part(order)
            case Append() | Trim():
                self._changes += 1
                if isinstance(order, Append):
                    self._rows.append((self._changes, SortedBatch(order.rows)))
                self._apply()
            case Drop() | Gone():
                # One comes with the orders and one with the replaces; none of either may come after.
                self._ends.add(type(order))
        return None

    def _apply(self) -> None:
        while self._replaces and self._replaces[0].changes <= self._changes:
            replace = self._replaces.pop(0)
            newer = [(n, rows) for n, rows in self._rows if n > replace.changes]
            self._rows = [(replace.changes, SortedBatch(rows)) for rows in replace.rows] + newer
            self._lacks_replay = False

    def _part(self, order: Gather) -> Part:
        start, end, _ = order.window
        pieces = [piece for _, rows in self._rows if len(piece := rows.between(start, end))]
        if order.level:
            pieces = [thinned for piece in pieces if len(thinned := _thinned(piece, order.level))]
        if (held := sum(map(len, pieces))) != order.rows:
            raise LostRowsError(
                f"the state has lost rows: {held} of {order.rows} rows of a part of the window from "
                f"{rfc3339(start)} to {rfc3339(end)} are there; {_REMEDY}"
            )
        return Part(order.window, order.parts, order.seen, pieces, order.arrival_us)


@dataclass
class Assembly:
    """The parts of one window, until all have come."""

    _parts: list[Part] = field(default_factory=list)

    def take(self, part: Part) -> WholeWindow | None:
        """The window, when ``part`` is its last one."""
        self._parts.append(part)
        if len(self._parts) < part.parts:
            return None
        rows = [rows for part in self._parts for rows in part.rows]
        return WholeWindow(part.window, rows, part.seen, part.arrival_us)

    def snapshot(self) -> None:
        """Nothing to write: all parts come in one epoch. Raises ``LostRowsError`` if they did not."""
        if self._parts:
            part = self._parts[0]
            raise LostRowsError(
                f"the state has lost rows: {len(self._parts)} of {part.parts} parts of the window from "
                f"{rfc3339(part.window.start)} to {rfc3339(part.window.end)} came; {_REMEDY}"
            )


def _thinned(piece: Rows, level: int) -> Rows:
    """The rows of a piece from a sampling level up."""
    rows = piece.rows()
    return Rows(rows.filter(pa.array(levels(rows.column("id")) >= level)))


def _needed(rows: pa.RecordBatch, order: Trim) -> pa.RecordBatch:
    """The rows that ``order`` leaves; a copy if some go, as a view would keep them all in memory."""
    ts = event_times(rows)
    needed = ts >= order.before
    if order.thinned:
        at = levels(rows.column("id"))
        for start, end, level in order.thinned:
            needed &= ~((start <= ts) & (ts < end) & (at < level))
    return rows if needed.all() else rows.take(pa.array(np.flatnonzero(needed)))
