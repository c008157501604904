"""A uniform sample of a window that depends on the ids of its events alone.

Each id has a *level*: half of all ids have level 0, a quarter level 1, and so on. A window that would
hold too many events keeps those of level ``k`` and above, a share of ``2**-k`` of them, with the
smallest ``k`` that is enough. Which events these are depends on nothing but their ids: not on their
order, not on batches, workers or restarts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.window.assigner import Assigner, Pane
from dataflow.window.counts import Kind, RowCounts

#: Levels are at most this, so that one byte would do.
HIGHEST = 63


def levels(ids: pa.Array) -> Int64s:
    """``(n,)`` the level of each id, 0 to :data:`HIGHEST`, by pandas' hash (SipHash with a fixed key)."""
    import pandas as pd  # noqa: PLC0415  few flows take samples, and pandas takes a second to import

    hashes = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    # The number of leading zero bits of the hash.
    bits = np.frexp(hashes.astype(np.float64))[1]
    level: Int64s = np.clip(64 - bits, 0, HIGHEST).astype(np.int64)
    return level


class Sample:
    """Which rows of a key's windows are kept; all of them when ``limit`` is ``None``."""

    __slots__ = ("_assigner", "_ledger", "_levels", "_limit", "_seen")

    def __init__(
        self, limit: int | None, assigner: Assigner, ledger: RowCounts, state: Mapping[str, Any] | None = None
    ) -> None:
        self._limit, self._assigner, self._ledger = limit, assigner, ledger
        self._levels: dict[int, int] = dict(state["levels"]) if state else {}
        self._seen: dict[Pane, int] = {(a, b): n for a, b, n in state["seen"]} if state else {}

    def snapshot(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {"levels": dict(self._levels), "seen": [(*pane, n) for pane, n in self._seen.items()]}

    def level(self, window: int) -> int:
        """The level from which up a window keeps its rows."""
        return self._levels.get(window, 0)

    def seen(self, window: int) -> int | None:
        """The number of events of a window that came in time, kept or not; ``None``: all are kept."""
        if self._limit is None:
            return None
        return sum(n for (first, last), n in self._seen.items() if first <= window <= last)

    def needs(self, kind: Kind) -> bool:
        """Whether a window that is not gone keeps such rows."""
        pane, level = kind
        if self._limit is None:
            return bool(self._assigner.kept(pane))
        return any(level >= self.level(window) for window in self._assigner.kept(pane))

    def admit(self, rows: pa.RecordBatch, ts: Int64s) -> tuple[pa.RecordBatch, dict[Kind, int]]:
        """The rows that some window keeps, and how many there are of each kind."""
        panes = self._assigner.panes(ts)
        if self._limit is None:
            return rows, {(pane, 0): n for pane, n in panes.items()}
        for pane, n in panes.items():
            self._seen[pane] = self._seen.get(pane, 0) + n
        at = levels(rows.column("id"))
        keep = np.ones(len(ts), np.bool_)
        for pane in panes:
            start, end = self._assigner.extent(pane)
            keep &= ~((start <= ts) & (ts < end) & (at < self._floor(pane)))
        kinds = {
            (pane, level): n
            for level in np.unique(at[keep]).tolist()
            for pane, n in self._assigner.panes(ts[keep & (at == level)]).items()
        }
        return rows.take(pa.array(np.flatnonzero(keep))), kinds

    def tighten(self) -> bool:
        """Raise the level of windows that hold too many rows. Returns whether any does."""
        if self._limit is None:
            return False
        raised = False
        for window in {w for pane in self._ledger.panes() for w in self._assigner.kept(pane)}:
            while self._ledger.count(window, self.level(window)) > self._limit:
                self._levels[window] = self.level(window) + 1
                raised = True
        return raised

    def thinned(self) -> tuple[tuple[int, int, int], ...]:
        """``(start, end, level)``: between these event times, no row below the level is needed."""
        panes = {pane for pane in self._ledger.panes() if self._floor(pane)}
        return tuple((*self._assigner.extent(pane), self._floor(pane)) for pane in panes)

    def merge(self, gone: Pane, into: Pane) -> None:
        """Two sessions are one now. Its level is the higher one: rows below it may be gone."""
        self._seen[into] = self._seen.get(into, 0) + self._seen.pop(gone, 0)
        self._levels[into[0]] = max(self.level(into[0]), self._levels.pop(gone[0], 0))

    def forget(self) -> None:
        """Let go of windows that are gone."""
        if self._limit is not None:
            self._seen = {pane: n for pane, n in self._seen.items() if self._assigner.kept(pane)}
            kept = {window for pane in self._seen for window in self._assigner.kept(pane)}
            self._levels = {window: level for window, level in self._levels.items() if window in kept}

    def _floor(self, pane: Pane) -> int:
        return min((self.level(window) for window in self._assigner.kept(pane)), default=0)
