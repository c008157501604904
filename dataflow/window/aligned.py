"""Tumbling and sliding windows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef
from dataflow.window.assigner import Pane, Times


class Aligned:
    """Tumbling and sliding windows: window ``k`` is ``[align + k*slide, align + k*slide + length)``.

    Any ``slide <= length``, also one that does not divide it; any sign of ``k``.
    """

    __slots__ = ("_align", "_dirty", "_ended", "_forgotten", "_lateness", "_length", "_revision", "_slide")

    def __init__(
        self, length: int, slide: int, align: int, lateness: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._length, self._slide, self._align, self._lateness = length, slide, align, lateness
        self._ended: int = state["ended"] if state else NEVER
        self._revision: dict[int, int] = dict(state["revision"]) if state else {}
        self._dirty: set[int] = set(state["dirty"]) if state else set()
        self._forgotten: int = state["forgotten"] if state else NEVER

    def snapshot(self) -> dict[str, Any]:
        return {
            "ended": self._ended,
            "revision": dict(self._revision),
            "dirty": sorted(self._dirty),
            "forgotten": self._forgotten,
        }

    @property
    def gone_until(self) -> int:
        return NEVER if self._forgotten == NEVER else self._ends(self._forgotten)

    def resume(self, watermark: int, gone_until: int) -> None:
        self._ended = self._last_ended(watermark)
        self._forgotten = self._last_ended(max(gone_until, watermark - self._lateness))

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        return self._ends(self._first(ts)) <= watermark

    def ahead(self, ts: int, watermark: int) -> bool:
        return self.first_end(ts) > watermark

    def first_end(self, ts: int) -> int:
        return self._ends(self._first(ts))

    def alone(self, behind: Bools) -> Bools:
        return np.zeros_like(behind)

    def late(self, ts: Int64s, watermark: Int64s) -> Bools:
        return self._last(ts) <= self._gone(watermark)

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        window = np.maximum(self._first(ts), self._last_ended(watermark) + 1)
        return np.where(window <= self._last(ts), self._ends(window), FOREVER)

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        gone, ended = self._gone(watermark), self._last_ended(watermark)
        for low, high in self.panes(ts) if self._lateness else ():
            self._dirty.update(range(max(low, gone + 1), min(high, ended) + 1))
        return {}

    def panes(self, ts: Int64s) -> dict[Pane, int]:
        oldest, newest = int(ts.min()), int(ts.max())
        pane = self._first(oldest), self._last(oldest)
        if pane == (self._first(newest), self._last(newest)):
            return {pane: len(ts)}
        first, last = self._first(ts), self._last(ts)
        # Neither decreases with time and one of them steps at each pane boundary: their sum names the pane.
        _, index, count = np.unique(first + last, return_index=True, return_counts=True)
        return {(int(first[i]), int(last[i])): n for i, n in zip(index.tolist(), count.tolist(), strict=True)}

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        oldest = np.maximum(self._first(ts), self._gone(watermark) + 1)
        revising: Bools = oldest <= np.minimum(self._last(ts), self._last_ended(watermark))
        return revising

    def revised(self) -> bool:
        return bool(self._dirty)

    def ripe(self, watermark: int, panes: Iterable[Pane]) -> list[tuple[int, WindowRef]]:
        until = self._last_ended(watermark)
        windows = set(self._dirty)
        for low, high in panes:
            windows.update(range(max(low, self._ended + 1), min(high, until) + 1))
        self._ended = max(self._ended, until)
        self._dirty.clear()
        emitted = []
        for window in sorted(windows):
            start = self._start(window)
            revision = self._revision.get(window, 0)
            if self._lateness:
                self._revision[window] = revision + 1
            emitted.append((window, WindowRef(start, start + self._length, revision)))
        return emitted

    def next_end(self, panes: Iterable[Pane]) -> int:
        windows = [max(low, self._ended + 1) for low, high in panes if high > self._ended]
        return self._start(min(windows)) + self._length if windows else FOREVER

    def last_end(self, panes: Iterable[Pane]) -> int:
        return max((self._ends(high) for _, high in panes), default=NEVER)

    def next_change(self, panes: Iterable[Pane]) -> int:
        panes = list(panes)
        ends = self.next_end(panes)
        if not self._lateness:
            return ends
        last = [high for _, high in panes if high > self._forgotten]
        return min(ends, self._start(min(last)) + self._length + self._lateness) if last else ends

    def open(self, panes: Iterable[Pane]) -> int:
        counted, number = self._ended, 0
        for low, high in sorted(panes):
            number += max(0, high - max(low - 1, counted))
            counted = max(counted, high)
        return number

    def forget(self, watermark: int) -> None:
        self._forgotten = int(self._gone(watermark))
        self._revision = {k: r for k, r in self._revision.items() if k > self._forgotten}

    @property
    def needed_since(self) -> int:
        return max(self._start(self._forgotten + 1), NEVER)

    def kept(self, pane: Pane) -> Sequence[int]:
        return range(max(pane[0], self._forgotten + 1), pane[1] + 1)

    def extent(self, pane: Pane) -> tuple[int, int]:
        first, last = pane
        return (
            max(self._start(last), self._start(first - 1) + self._length),
            min(self._start(last + 1), self._start(first) + self._length),
        )

    def missed(self, ts: int) -> list[tuple[int, int]]:
        at = np.array([ts])
        starts = [self._start(k) for k in range(int(self._first(at)[0]), int(self._last(at)[0]) + 1)]
        return [(start, start + self._length) for start in starts]

    def _first(self, ts: Times) -> Times:
        return (ts - self._align - self._length) // self._slide + 1

    def _last(self, ts: Times) -> Times:
        return (ts - self._align) // self._slide

    def _start(self, window: int) -> int:
        return self._align + window * self._slide

    def _ends(self, windows: Times) -> Times:
        return self._align + windows * self._slide + self._length

    def _last_ended(self, watermark: Times) -> Times:
        """The last window whose end the watermark has reached."""
        return (watermark - self._align - self._length) // self._slide

    def _gone(self, watermark: Times) -> Times:
        """The last window that is gone. One that went under a shorter lateness does not come back."""
        gone: Times = np.maximum(self._last_ended(watermark - self._lateness), self._forgotten)
        return gone
