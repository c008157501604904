"""Rows in an order that is kept while rows come: the new ones are merged in.

To sort a million rows takes a fifth of a second, to merge some thousand into them a few milliseconds. An
order takes 4 MB for each million rows: what the rows are sorted by is read from their columns.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.store.scores import Snapshot

Places = npt.NDArray[np.int32]
_Bools = npt.NDArray[np.bool_]
_Keys = npt.NDArray[np.complex128]

#: What rows can be sorted by.
SORTS = ("window", "anomaly", "score", "p_value", "novelty", "surge", "rarity", "ts")
#: Lower than any anomaly.
_BELOW = 1e6


@dataclass(frozen=True)
class Order:
    """``places``: ``(n,)``, the places of all rows of a snapshot, the lowest value first. The first ``known``
    have a value. ``first``: the number of the row at the place 0.
    """

    first: int
    places: Places
    known: int

    @property
    def end(self) -> int:
        """The number after the last row."""
        return self.first + len(self.places)


class Orders:
    """The orders of the newest snapshot. Threads may share an object."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._locks = {sort: Lock() for sort in SORTS}

    def of(self, snapshot: Snapshot, sort: str) -> Order:
        """The rows of ``snapshot`` by ``sort``, one of :data:`SORTS`; of equal ones, the earlier first."""
        with self._locks[sort]:
            known = self._orders.get(sort)
            # A request that took its snapshot earlier than the last one finds an order with more rows.
            end = snapshot.first + len(snapshot)
            if known is not None and (known.first > snapshot.first or known.end > end):
                return _made(snapshot, sort, None)
            self._orders[sort] = _made(snapshot, sort, known)
            return self._orders[sort]


def _made(snapshot: Snapshot, sort: str, before: Order | None) -> Order:
    places, known = np.empty(0, np.int32), 0
    if before is not None and before.end > snapshot.first:
        if before.first == snapshot.first and len(before.places) == len(snapshot):
            return before
        places, known = before.places, before.known
        if gone := snapshot.first - before.first:
            kept = places >= gone
            places, known = places[kept] - np.int32(gone), int(np.count_nonzero(kept[:known]))
    new = np.arange(len(places), len(snapshot), dtype=np.int32)
    keys = _keys(snapshot, sort, new)
    order = np.argsort(keys, kind="stable")
    if len(places):
        at = _after(snapshot, sort, places, keys[order])
        places = np.insert(places, at, new[order])
    else:
        places = new[order]
    return Order(snapshot.first, places, known + int(np.count_nonzero(~np.isnan(keys.real))))


def _after(snapshot: Snapshot, sort: str, places: Places, keys: _Keys) -> npt.NDArray[np.int64]:
    """``(n,)``: how many of the sorted ``places`` come before each of ``keys``; equal ones do."""
    low, high = np.zeros(len(keys), np.int64), np.full(len(keys), len(places))
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_]) // 2
        before = _up_to(_keys(snapshot, sort, places[middle]), keys[open_])
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
    return low


def _up_to(one: _Keys, other: _Keys) -> _Bools:
    """``(n,)``: whether each key is as low as the other one, or lower. Without a value is higher than all."""
    nothing, none = np.isnan(one.real), np.isnan(other.real)
    as_late = one.imag <= other.imag
    lower = (one.real < other.real) | ((one.real == other.real) & as_late)
    found: _Bools = np.where(nothing | none, none & (~nothing | as_late), lower)
    return found


def _keys(snapshot: Snapshot, sort: str, rows: Places) -> _Keys:
    """Complex numbers sort by the real part, then by the imaginary one. NaN comes last."""
    names = (_main(sort), "ts", "anomaly", "score")
    columns: dict[str, Any] = {name: snapshot.columns[name][rows] for name in names}
    found = np.empty(len(rows), np.complex128)
    found.real = columns[_main(sort)]
    if sort == "window":
        known = ~np.isnan(columns["anomaly"])
        found.imag = np.where(known, columns["anomaly"], columns["score"] - _BELOW)
    else:
        found.imag = columns["ts"]
    return found


def _main(sort: str) -> str:
    return "window_start" if sort == "window" else sort
