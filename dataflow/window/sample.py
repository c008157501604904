"""A uniform sample of the events of a window, which depends on the ids of the events alone.

The hash of an id gives the id a *level*: half of all ids have level 0, a quarter have level 1, an eighth have
level 2, and so on. A window with more rows than ``window.max_window_rows`` keeps the rows of level ``k`` and
above, which is a share of about ``2**-k``. ``k`` is the smallest level that is enough. So the same events are
in the sample whatever the order of arrival, the batches, the workers or the restarts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.window.assigner import Assigner, Pane
from dataflow.window.counts import Kind, RowCounts

#: The highest level. It fits into one byte.
HIGHEST = 63


def levels(ids: pa.Array) -> Int64s:
    """``(n,)`` the level of each id, from 0 to :data:`HIGHEST`.

    Uses the hash of pandas (SipHash with a fixed key), which is the same on all machines and in all runs.

    >>> levels(pa.array(["a", "b", "c", "d", "e", "f"])).tolist()
    [0, 0, 0, 1, 0, 1]
    """
    import pandas as pd  # noqa: PLC0415  few flows take samples, and pandas takes a second to import

    hashes = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    # The level is the number of leading zero bits of the hash.
    bits = np.frexp(hashes.astype(np.float64))[1]
    level: Int64s = np.clip(64 - bits, 0, HIGHEST).astype(np.int64)
    return level


class Sample:
    """Decides which rows of a key's windows are kept; without a ``limit``, all rows are.

    ``limit``: the most rows that a window keeps. ``state`` is what :meth:`snapshot` returned.
    """

    __slots__ = ("_assigner", "_counts", "_levels", "_limit", "_seen")

    def __init__(
        self, limit: int | None, assigner: Assigner, counts: RowCounts, state: Mapping[str, Any] | None = None
    ) -> None:
        self._limit, self._assigner, self._counts = limit, assigner, counts
        #: The level of each window; 0 for a window that is not in it.
        self._levels: dict[int, int] = dict(state["levels"]) if state else {}
        #: The number of events that came in time, by pane.
        self._seen: dict[Pane, int] = {Pane(a, b): n for a, b, n in state["seen"]} if state else {}

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"levels": dict(self._levels), "seen": [(*pane, n) for pane, n in self._seen.items()]}

    def level(self, window: int) -> int:
        """The level of a window: the window keeps the rows of this level and above."""
        return self._levels.get(window, 0)

    def seen(self, window: int) -> int | None:
        """How many events of a window came in time, whether kept or not; ``None`` if there is no limit."""
        if self._limit is None:
            return None
        return sum(n for (first, last), n in self._seen.items() if first <= window <= last)

    def needs(self, kind: Kind) -> bool:
        """Whether a window that is not gone keeps rows of this kind."""
        windows = self._assigner.windows_kept(kind.pane)
        if self._limit is None:
            return bool(windows)
        return any(kind.level >= self.level(window) for window in windows)

    def admit(self, rows: pa.RecordBatch, ts: Int64s) -> tuple[pa.RecordBatch, dict[Kind, int]]:
        """The rows that at least one window keeps, and the number of these rows of each kind.

        ``ts``: ``(n,)`` the event times of ``rows``. The assigner must know the events already.
        """
        panes = self._assigner.count_by_pane(ts)
        if self._limit is None:
            return rows, {Kind(pane, 0): n for pane, n in panes.items()}
        for pane, n in panes.items():
            self._seen[pane] = self._seen.get(pane, 0) + n
        row_levels = levels(rows.column("id"))
        keep = np.ones(len(ts), np.bool_)
        for pane in panes:
            start, end = self._assigner.extent(pane)
            keep &= ~((start <= ts) & (ts < end) & (row_levels < self._lowest_level(pane)))
        kinds = {
            Kind(pane, level): n
            for level in np.unique(row_levels[keep]).tolist()
            for pane, n in self._assigner.count_by_pane(ts[keep & (row_levels == level)]).items()
        }
        return rows.take(pa.array(np.flatnonzero(keep))), kinds

    def tighten(self) -> bool:
        """Raise the level of each window that has too many rows. Returns whether there was such a window."""
        if self._limit is None:
            return False
        raised = False
        for window in {w for pane in self._counts.panes() for w in self._assigner.windows_kept(pane)}:
            while self._counts.count(window, self.level(window)) > self._limit:
                self._levels[window] = self.level(window) + 1
                raised = True
        return raised

    def thinned(self) -> tuple[tuple[int, int, int], ...]:
        """``(start, end, level)`` for each pane with unneeded rows: rows below the level are not needed."""
        panes = {pane for pane in self._counts.panes() if self._lowest_level(pane)}
        return tuple((*self._assigner.extent(pane), self._lowest_level(pane)) for pane in panes)

    def merge(self, pane: Pane, into: Pane) -> None:
        """The session of ``pane`` has joined another, which takes the higher level of the two.

        A lower level is not possible, because rows below the higher level may have been removed already.
        """
        self._seen[into] = self._seen.get(into, 0) + self._seen.pop(pane, 0)
        self._levels[into.first] = max(self.level(into.first), self._levels.pop(pane.first, 0))

    def forget(self) -> None:
        """Forget the windows that are gone."""
        if self._limit is not None:
            self._seen = {pane: n for pane, n in self._seen.items() if self._assigner.windows_kept(pane)}
            kept = {window for pane in self._seen for window in self._assigner.windows_kept(pane)}
            self._levels = {window: level for window, level in self._levels.items() if window in kept}

    def _lowest_level(self, pane: Pane) -> int:
        """The lowest level of the windows of a pane: no window needs the pane's rows below it."""
        return min((self.level(window) for window in self._assigner.windows_kept(pane)), default=0)
