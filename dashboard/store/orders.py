"""Rows in an order that is kept while rows come: the new ones are merged in."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.store.scores import Snapshot

Places = npt.NDArray[np.int32]
_Keys = npt.NDArray[np.complex128]

#: What rows can be sorted by.
SORTS = ("window", "anomaly", "score", "p_value", "novelty", "surge", "rarity", "ts")
#: So many orders are kept: 20 MB for each million rows.
_KEPT = 4
#: Lower than any anomaly.
_BELOW = 1e6


@dataclass(frozen=True)
class Order:
    """``places``: ``(n,)``, the places of all rows of a snapshot, the lowest value first. The first ``known``
    have a value. ``first``: the number of the row at the place 0.
    """

    first: int
    places: Places
    keys: _Keys
    known: int


class Orders:
    """The orders of the newest snapshot. Threads may share an object."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._lock = Lock()

    def of(self, snapshot: Snapshot, sort: str) -> Order:
        """The rows of ``snapshot`` by ``sort``, one of :data:`SORTS`; of equal ones, the earlier first."""
        with self._lock:
            known = self._orders.get(sort)
            end = snapshot.first + len(snapshot)
            # A request that took its snapshot earlier than the last one finds an order with more rows.
            is_older = known is not None and known.first + len(known.places) > end
            usable = known if not is_older and known and known.first <= snapshot.first else None
            found = _made(snapshot, sort, usable)
            if not is_older:
                self._orders[sort] = found
                self._orders.move_to_end(sort)
                while len(self._orders) > _KEPT:
                    self._orders.popitem(last=False)
            return found


def _made(snapshot: Snapshot, sort: str, known: Order | None) -> Order:
    places, keys = np.empty(0, np.int32), np.empty(0, np.complex128)
    if known is not None and known.first + len(known.places) > snapshot.first:
        if known.first == snapshot.first and len(known.places) == len(snapshot):
            return known
        gone = snapshot.first - known.first
        kept = slice(None) if not gone else known.places >= gone
        places, keys = known.places[kept] - np.int32(gone), known.keys[kept]
    start = len(places)
    new_keys = _keys(snapshot, sort, slice(start, None))
    order = np.argsort(new_keys, kind="stable")
    new_keys, new = new_keys[order], (order + start).astype(np.int32)
    if start:
        at = np.searchsorted(keys, new_keys, "right")
        keys, places = np.insert(keys, at, new_keys), np.insert(places, at, new)
    else:
        keys, places = new_keys, new
    return Order(snapshot.first, places, keys, int(np.searchsorted(keys.real, np.inf, "right")))


def _keys(snapshot: Snapshot, sort: str, rows: slice) -> _Keys:
    """Complex numbers sort by the real part, then by the imaginary one. NaN comes last."""
    names = (_main(sort), "ts", "anomaly", "score")
    columns: dict[str, Any] = {name: snapshot.columns[name][rows] for name in names}
    found = np.empty(len(columns["ts"]), np.complex128)
    found.real = columns[_main(sort)]
    if sort == "window":
        known = ~np.isnan(columns["anomaly"])
        found.imag = np.where(known, columns["anomaly"], columns["score"] - _BELOW)
    else:
        found.imag = columns["ts"]
    return found


def _main(sort: str) -> str:
    return "window_start" if sort == "window" else sort
