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


@dataclass(frozen=True)
class Sorting:
    """``by``: one of :data:`~dashboard.store.orders.SORTS`. Rows without a value come last."""

    by: str = "window"
    falling: bool = True


class Rankings:
    """Answers requests for a part of the rows in an order. The depth of the part makes no difference."""

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
        order = self.orders.of(moment.scores, sorting.by)
        mask = self.filters.mask(moment, wanted)
        with_value, without = order.places[: order.known], order.places[order.known :]
        parts = [with_value[::-1], without[::-1]] if sorting.falling else [with_value, without]
        return np.concatenate([part[mask[part]] for part in parts])

    def warm(self, moment: Moment) -> None:
        """Sort the rows in each order before somebody asks for it."""
        for sort in SORTS:
            self.orders.of(moment.scores, sort)

    def page(
        self, moment: Moment, wanted: Filter, sorting: Sorting, offset: int, limit: int
    ) -> dict[str, Any]:
        """``limit`` rows from ``offset`` on, and how many there are."""
        ranked = self.ranked(moment, wanted, sorting)
        rows = described(moment, ranked[offset : offset + limit])
        return {"generation": moment.generation, "total": len(ranked), "rows": rows}

    def position(self, moment: Moment, wanted: Filter, sorting: Sorting, row: int) -> int | None:
        """The offset of the row at a place of the snapshot; ``None``: the filter leaves it out."""
        found = np.flatnonzero(self.ranked(moment, wanted, sorting) == row)
        return int(found[0]) if len(found) else None
