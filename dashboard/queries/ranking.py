"""The rows of a filter in an order."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.queries.filters import Filter, Filters
from dashboard.queries.rows import described
from dashboard.store.orders import SORTS, Orders
from dashboard.store.store import Moment

Places = npt.NDArray[np.int32]
_KEPT = 8
#: The first rows of an order are looked for in parts of it: first in so many places, then in twice as many.
_PART = 1 << 12


@dataclass(frozen=True)
class Sorting:
    """``by``: one of :data:`~dashboard.store.orders.SORTS`. Rows without a value come last."""

    by: str = "window"
    falling: bool = True


class Rankings:
    """Answers requests for a part of the rows in an order."""

    def __init__(self, filters: Filters) -> None:
        self.filters, self.orders = filters, Orders()
        self._lock = Lock()
        self._kept: OrderedDict[tuple[int, Filter, Sorting], Places] = OrderedDict()

    def ranked(self, moment: Moment, wanted: Filter, sorting: Sorting) -> Places:
        """``(n,)``: the places of the rows in the snapshot, in their order."""
        name = (moment.generation, wanted, sorting)
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            found = self._made(moment, wanted, sorting)
            with self._lock:
                self._kept[name] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _made(self, moment: Moment, wanted: Filter, sorting: Sorting) -> Places:
        mask = self.filters.mask(moment, wanted)
        return np.concatenate([part[mask[part]] for part in self._halves(moment, sorting)])

    def _halves(self, moment: Moment, sorting: Sorting) -> tuple[Places, Places]:
        """All places in their order: those with a value, and those without."""
        order = self.orders.of(moment.scores, sorting.by)
        halves = order.places[: order.known], order.places[order.known :]
        return (halves[0][::-1], halves[1][::-1]) if sorting.falling else halves

    def _first(self, moment: Moment, wanted: Filter, sorting: Sorting, end: int) -> tuple[Places, int]:
        """The first ``end`` places, and how many there are in all. Stops where enough are found."""
        mask = self.filters.mask(moment, wanted)
        total = int(np.count_nonzero(mask))
        found: list[Places] = [np.empty(0, np.int32)]
        missing = min(end, total)
        for half in self._halves(moment, sorting):
            start, size = 0, _PART
            while start < len(half) and missing > 0:
                part = half[start : start + size]
                found.append(part[mask[part]])
                missing -= len(found[-1])
                start, size = start + size, 2 * size
        return np.concatenate(found)[:end], total

    def warm(self, moment: Moment) -> None:
        """Sort the rows in each order before somebody asks for it."""
        for sort in SORTS:
            self.orders.of(moment.scores, sort)

    def page(
        self, moment: Moment, wanted: Filter, sorting: Sorting, offset: int, limit: int
    ) -> dict[str, Any]:
        """``limit`` rows from ``offset`` on, and how many there are."""
        if offset < _PART:
            places, total = self._first(moment, wanted, sorting, offset + limit)
        else:
            places = self.ranked(moment, wanted, sorting)
            total = len(places)
        rows = described(moment, places[offset : offset + limit])
        return {"generation": moment.generation, "total": total, "rows": rows}

    def position(self, moment: Moment, wanted: Filter, sorting: Sorting, row: int) -> int | None:
        """The offset of the row at a place of the snapshot; ``None``: the filter leaves it out."""
        found = np.flatnonzero(self.ranked(moment, wanted, sorting) == row)
        return int(found[0]) if len(found) else None
