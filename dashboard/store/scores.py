"""The scored rows: the newest ones, each identity once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dashboard.rows import EVIDENCE_NAMES
from dashboard.store.columns import Column, Columns
from dashboard.store.identities import Hashes, Identities, mixed
from dashboard.store.texts import TEXT_COLUMNS, Texts
from dataflow.items.hashes import hashes

#: Bytes of texts beyond which the oldest rows go, whatever their number.
MOST_TEXT_BYTES = 600 << 20
#: Rows leave memory when so large a share of all rows is no longer wanted.
_SLACK = 1 / 16
#: So many keys without rows may stay.
_SPARE_KEYS = 1000


@dataclass(frozen=True)
class Snapshot:
    """The scored rows at a moment. It never changes.

    ``columns``: those of :data:`~dashboard.store.columns.TYPES`, ``(n,)`` each. ``first``: the number of the
    first row. ``keys``: the name of each number in the column ``key``.
    """

    columns: Mapping[str, Column]
    first: int
    texts: Texts
    keys: tuple[str, ...]
    key_numbers: Mapping[str, int] = field(repr=False)
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.columns["ts"])


class Scores:
    """Takes batches of :data:`~dashboard.rows.ROW`. One thread writes. ``most``: the rows that are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._columns, self._texts, self._identities = Columns(), Texts(), Identities()
        self._keys: dict[str, int] = {}
        self._windows: dict[int, int] = {}
        #: The newest revision of each window.
        self._revisions = np.zeros(1024, np.int32)
        self._live = self._dropped = 0

    @property
    def first(self) -> int:
        """The number of the first row that is in memory."""
        return self._columns.first

    @property
    def end(self) -> int:
        """The number that the next row gets."""
        return self._columns.end

    def add(self, batch: pa.RecordBatch, source: int) -> tuple[pa.RecordBatch, Hashes]:
        """Add rows. A row whose identity is known takes the place of the earlier one.

        Returns the rows that were added, the last ones now, and the hashes of their events.
        """
        keys = self._key_numbers(batch.column("key"))
        numbers = {name: _integers(batch, name) for name in ("window_start", "window_end", "ts")}
        revision = batch.column("revision").to_numpy()
        event = event_hashes(batch.column("key"), batch.column("id"))
        identity = mixed(event, numbers["window_start"], revision)
        kept = _last_of_each(identity)
        if len(kept) < len(batch):
            batch, keys, event = batch.take(pa.array(kept)), keys[kept], event[kept]
            identity, revision = identity[kept], revision[kept]
            numbers = {name: column[kept] for name, column in numbers.items()}
        window = self._window_numbers(keys, numbers["window_start"])
        rows: dict[str, Column] = {
            **numbers,
            **{name: batch.column(name).to_numpy(zero_copy_only=False) for name in EVIDENCE_NAMES},
            **{name: batch.column(name).to_numpy() for name in ("score", "cluster")},
            "key": keys,
            "event": event,
            "revision": revision,
            "window": window,
            "source": np.full(len(batch), source),
            "live": np.ones(len(batch), np.bool_),
            **{name: np.full(len(batch), np.nan) for name in ("x", "y")},
        }
        self._replace(identity)
        rows["latest"] = self._newest(window, revision)
        start = self._columns.end
        self._columns.append(rows)
        self._texts = self._texts.plus(start, batch.select(list(TEXT_COLUMNS)))
        self._identities.add(identity, np.arange(start, self._columns.end))
        self._live += len(batch)
        self._evict()
        return batch, event

    def forget(self, source: int, start: int = 0) -> None:
        """Remove the rows of a source whose numbers are ``start`` or higher."""
        live = self._columns.column("live")
        gone = live & (self._columns.column("source") == source)
        gone[: max(0, start - self._columns.first)] = False
        live[gone] = False
        self._live -= int(gone.sum())

    def place(self, start: int, places: Column) -> None:
        """Set the places on the map of the rows from the number ``start`` on: ``(n, 2)``."""
        places = places[max(0, self._columns.first - start) :]
        at = max(0, start - self._columns.first)
        for name, column in zip(("x", "y"), places.T, strict=True):
            self._columns.column(name)[at : at + len(column)] = column

    def snapshot(self) -> Snapshot:
        """The rows as they are now."""
        views = self._columns.views()
        return Snapshot(views, self._columns.first, self._texts, tuple(self._keys), self._keys, self._dropped)

    def _key_numbers(self, column: pa.Array) -> Column:
        coded = column.dictionary_encode()
        known = [self._keys.setdefault(key, len(self._keys)) for key in coded.dictionary.to_pylist()]
        found: Column = np.array(known, np.int32)[coded.indices.to_numpy()]
        return found

    def _window_numbers(self, keys: Column, starts: Column) -> Column:
        windows, of_row = np.unique(mixed(keys, starts), return_inverse=True)
        numbers = [self._windows.setdefault(window, len(self._windows)) for window in windows.tolist()]
        if len(self._windows) > len(self._revisions):
            more = np.zeros(2 * len(self._windows) - len(self._revisions), np.int32)
            self._revisions = np.append(self._revisions, more)
        return np.array(numbers, np.int32)[of_row.reshape(-1)]

    def _newest(self, window: Column, revision: Column) -> Column:
        """``(n,)``: whether each new row is of the newest revision of its window. Earlier rows lose that."""
        before = self._revisions[window]
        np.maximum.at(self._revisions, window, revision)
        grown = np.unique(window[self._revisions[window] > before])
        if len(grown):
            old = np.isin(self._columns.column("window"), grown)
            self._columns.column("latest")[old] &= (
                self._columns.column("revision")[old] == self._revisions[self._columns.column("window")[old]]
            )
        return np.asarray(revision == self._revisions[window])

    def _replace(self, identity: Hashes) -> None:
        rows = self._identities.find(identity)
        old = rows[rows >= self._columns.first] - self._columns.first
        live = self._columns.column("live")
        self._live -= int(live[old].sum())
        live[old] = False

    def _evict(self) -> None:
        """Hide the oldest rows beyond the bound, and let go of them from time to time."""
        live = self._columns.column("live")
        if self._live > self._most:
            self._hide(np.flatnonzero(live)[: self._live - self._most])
        while self._texts.nbytes > MOST_TEXT_BYTES and len(self._texts.chunks) > 1:
            before = self._texts.chunks[0].end
            self._hide(np.flatnonzero(self._columns.column("live")[: before - self._columns.first]))
            self._forget(before)
        live = self._columns.column("live")
        dead = len(live) if not live.any() else int(live.argmax())
        if dead > max(_SLACK * self._most, 1):
            self._forget(self._columns.first + dead)

    def _forget(self, before: int) -> None:
        self._columns.forget(before)
        self._texts = self._texts.without(before)
        self._identities.forget(before)
        numbers, of_row = np.unique(self._columns.column("window"), return_inverse=True)
        self._columns.column("window")[:] = of_row
        self._revisions = np.append(self._revisions[numbers], np.zeros(1024, np.int32))
        new = {old: at for at, old in enumerate(numbers.tolist())}
        self._windows = {name: new[old] for name, old in self._windows.items() if old in new}
        self._forget_keys()

    def _forget_keys(self) -> None:
        """Number the keys anew if most of them have no rows any more."""
        used, of_row = np.unique(self._columns.column("key"), return_inverse=True)
        if len(self._keys) > 2 * len(used) + _SPARE_KEYS:
            names = list(self._keys)
            self._keys = {names[old]: new for new, old in enumerate(used.tolist())}
            self._columns.column("key")[:] = of_row

    def _hide(self, places: Column) -> None:
        self._columns.column("live")[places] = False
        self._live -= len(places)
        self._dropped += len(places)


def event_hashes(keys: pa.Array, ids: pa.Array) -> Hashes:
    """``(n,)``: the hash of each event, as the column ``event`` has it."""
    return mixed(hashes(ids), hashes(keys))


def _integers(batch: pa.RecordBatch, name: str) -> Column:
    found: Column = batch.column(name).view(pa.int64()).to_numpy()
    return found


def _last_of_each(identity: Hashes) -> Column:
    """The places of rows whose identity does not come again, in order."""
    _, from_end = np.unique(identity[::-1], return_index=True)
    return np.sort(len(identity) - 1 - from_end)
