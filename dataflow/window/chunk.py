"""Where the rows of a key group are: append-only chunks, each of which has two halves that share the rows.

Why two halves? At a snapshot, Bytewax writes the whole state of every key that was active since the last
snapshot. A chunk is active whenever one of its windows ends, although its rows have not changed then. If one
step both held the rows and handed them over, each snapshot would write most rows again. So each chunk is kept
by two steps:

- :class:`StoredChunk` (step ``keep``) is active only when the chunk changes. Its snapshot has all the rows.
- :class:`ChunkReader` (step ``read``) holds references to the same rows and hands over the rows of windows.
  Its snapshot is one number. After a restart it has no rows until the stored chunk sends them.

How do the halves agree? Both get every change of the chunk (``Append``, ``Trim``), and both number the
changes. When the stored chunk has rewritten its rows (trimmed them, compacted them, or read them from a
snapshot), it sends all its rows to the reader as a :class:`~dataflow.window.messages.Replace`, with the
number of the last change that is in the rows. The orders and the ``Replace`` messages reach the reader by two
different ways, so a ``Replace`` may arrive too early. The reader applies it only when the reader itself has
come to that change. So an order that arrives before still finds the rows that it needs.

Nothing in this module knows Bytewax.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.errors import LostRowsError
from dataflow.items.arrays import Int64s
from dataflow.items.ipc import pack_embedded, unpack_embedded
from dataflow.items.rows import Rows, event_times
from dataflow.items.sorted_batch import SortedBatch
from dataflow.items.windows import KeyWindow
from dataflow.window.assembly import REMEDY, described
from dataflow.window.messages import Append, Drop, Extent, Gather, Gone, Order, Part, Replace, Trim
from dataflow.window.sample import levels
from dataflow.window.split import by_number
from dataflow.window.state_format import check_format

#: The format of the state.
FORMAT = 4

#: This many batches of similar size are copied into one batch, because a small batch costs more in overhead
#: than in rows. Batches of ``LARGE`` rows stay as they are.
TIER, LARGE = 16, 1024
#: Batches that have more bytes than this together are not copied into one. They are not small, and one column
#: may not have room for all their texts.
COMPACT_BYTES = 2**30


class StoredChunk:
    """The half of a chunk that snapshots write: all rows of the chunk, until the chunk is dropped.

    ``state`` is what :meth:`snapshot` returned.
    """

    __slots__ = ("__weakref__", "_appended", "_changes", "_rows")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        check_format(state, FORMAT, "chunk")
        self._changes: int = state["changes"] if state else 0
        self._rows: list[pa.RecordBatch] = unpack_embedded(state) if state else []
        self._appended = 0

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The batches that hold the rows."""
        # The list is copied (its batches are not), because the gauges read it in another thread.
        return list(self._rows)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"format": FORMAT, "changes": self._changes, **pack_embedded(self._rows)}

    def apply(self, change: Append | Trim) -> list[Replace]:
        """Carry out a change. Returns the messages for the reading half.

        Raises ``LostRowsError`` if rows that a ``Trim`` leaves are not there.
        """
        self._changes += 1
        if isinstance(change, Append):
            self._rows.append(change.rows)
            self._appended += 1
            return [self.replace()] if self._compact() else []
        trimmed = [_trimmed(rows, change.needed) for rows in self._rows]
        self._rows = [rows for rows in trimmed if len(rows)]
        self._appended = 0
        if (held := sum(map(len, self._rows))) != change.rows:
            raise LostRowsError(
                f"the state has lost rows: {held} of {change.rows} rows of a chunk are there; {REMEDY}"
            )
        return [self.replace()]

    def _compact(self) -> bool:
        """Copy the last ``TIER`` batches into one, then the last ``TIER`` batches of that size, and so on.

        So each row is copied a few times, and not once for each batch that comes after it. Returns whether
        batches were copied.
        """
        appended, compacted = self._appended, False
        while appended % TIER == 0:
            small = self._rows[-TIER:]
            if len(small[0]) >= LARGE or sum(rows.nbytes for rows in small) > COMPACT_BYTES:
                break
            self._rows[-TIER:] = [pa.concat_batches(small)]
            appended //= TIER
            compacted = True
        return compacted

    def replace(self) -> Replace:
        """The message that gives all rows to the reading half."""
        return Replace(list(self._rows), self._changes)


class ChunkReader:
    """The half of a chunk that hands over the rows of windows. Its snapshot is one number.

    ``state`` is what :meth:`snapshot` returned. A reader that is built from a state has no rows: it keeps all
    orders waiting until the stored half sends a ``Replace``.
    """

    __slots__ = ("_awaits_rows", "_changes", "_last_messages", "_replaces", "_rows", "_waiting")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        check_format(state, FORMAT, "chunk")
        self._changes: int = state["changes"] if state else 0
        self._awaits_rows = state is not None
        #: The batches of the chunk, each with the number of the change that brought it.
        self._rows: list[tuple[int, SortedBatch]] = []
        #: Messages that came before the changes that are in them.
        self._replaces: list[Replace] = []
        self._waiting: list[Order | Gone] = []
        self._last_messages: set[type] = set()

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Raises ``LostRowsError`` if rows that an order needs did not come."""
        # All messages that a change causes arrive in the epoch of the change, and a snapshot ends an epoch.
        if self._waiting or self._replaces:
            raise LostRowsError(
                "the state has lost rows: a part of it did not come within its epoch; " + REMEDY
            )
        return {"format": FORMAT, "changes": self._changes}

    def take(self, item: Order | Replace | Gone) -> tuple[list[Part], bool]:
        """Process a message. Returns the parts to send on, and whether the chunk is dropped."""
        if isinstance(item, Replace):
            self._replaces.append(item)
            self._apply_replaces()
        else:
            self._waiting.append(item)
        if self._awaits_rows:
            return [], False
        orders, self._waiting = self._waiting, []
        parts = [part for order in orders if (part := self._carry_out(order))]
        return parts, len(self._last_messages) == 2

    def _carry_out(self, order: Order | Gone) -> Part | None:
        match order:
            case Gather():
                return self._part(order)
            case Append() | Trim():
                self._changes += 1
                if isinstance(order, Append):
                    self._rows.append((self._changes, SortedBatch(order.rows)))
                self._apply_replaces()
            case Drop() | Gone():
                # Drop is the last message of the window step, and Gone is the last of the stored half. The
                # chunk may be forgotten only when both have come: no message must reach a forgotten chunk.
                self._last_messages.add(type(order))
        return None

    def _apply_replaces(self) -> None:
        while self._replaces and self._replaces[0].changes <= self._changes:
            replace = self._replaces.pop(0)
            newer = [(change, rows) for change, rows in self._rows if change > replace.changes]
            # The order of the rows of a batch that stays as it is need not be found again.
            known = {id(rows.batch): rows for _, rows in self._rows}
            replaced = [known.get(id(rows)) or SortedBatch(rows) for rows in replace.rows]
            self._rows = [(replace.changes, rows) for rows in replaced] + newer
            self._awaits_rows = False

    def _part(self, order: Gather) -> Part:
        windows = order.windows
        if isinstance(windows, KeyWindow):
            found = [batch.between(*windows.ref[:2]) for _, batch in self._rows]
        else:
            spans = {key: window.ref[:2] for key, window in windows.items()}
            found = [batch.of_keys(spans) for _, batch in self._rows]
        if order.levels:
            found = [_from_levels(rows, order.levels) for rows in found if len(rows)]
        rows = [rows for rows in found if len(rows)]
        if (held := sum(map(len, rows))) != order.rows:
            raise LostRowsError(
                f"the state has lost rows: {held} of {order.rows} rows of a part of {described(windows)} "
                f"are there; {REMEDY}"
            )
        return Part(order.emission, windows, order.parts, rows, order.arrival_us, order.arrived)


def _from_levels(rows: Rows, least: Mapping[str, int]) -> Rows:
    """The rows that have at least the sampling level of their key."""
    batch = rows.rows()
    keys = batch.column("key").dictionary_encode()
    needed = np.array([least.get(key, 0) for key in keys.dictionary.to_pylist()])[keys.indices.to_numpy()]
    return Rows(batch.filter(pa.array(levels(batch.column("id")) >= needed)))


def _trimmed(rows: pa.RecordBatch, needed: Mapping[str | None, Sequence[Extent]]) -> pa.RecordBatch:
    """The rows that are ``needed``. They are copied if others are removed: a view keeps all in memory."""
    ts, mask = event_times(rows), np.zeros(len(rows), np.bool_)
    level = levels(rows.column("id")) if any(e.level for of_key in needed.values() for e in of_key) else None
    for key, indices in _indices(rows, needed):
        mine, kept = ts[indices], mask[indices]
        for extent in needed[key]:
            within = (extent.start <= mine) & (mine < extent.end)
            kept |= within if level is None else within & (level[indices] >= extent.level)
        mask[indices] = kept
    kept_rows = np.flatnonzero(mask)
    if not len(kept_rows):
        return rows.slice(0, 0)
    return rows if len(kept_rows) == len(rows) else rows.take(pa.array(kept_rows))


def _indices(
    rows: pa.RecordBatch, needed: Mapping[str | None, Sequence[Extent]]
) -> Iterator[tuple[str | None, Int64s | slice]]:
    """The rows of each key of ``needed``."""
    if None in needed:
        yield None, slice(None)
        return
    keys = rows.column("key").dictionary_encode()
    names = keys.dictionary.to_pylist()
    for code, indices in by_number(keys.indices.to_numpy()):
        if names[code] in needed:
            yield names[code], indices
