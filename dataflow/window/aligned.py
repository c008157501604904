"""Tumbling and sliding windows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef
from dataflow.window.assigner import Pane, Times


class Aligned:
    """Tumbling and sliding windows: window ``k`` is ``[align + k*slide, align + k*slide + length)``.

    ``slide`` is at most ``length`` and need not divide it; ``k`` may be negative. ``panes`` returns the panes
    that hold rows. ``state`` is what ``snapshot()`` returned. The methods of the interface are described in
    :class:`~dataflow.window.assigner.Assigner`.
    """

    __slots__ = (
        "_align",
        "_changed",
        "_last_emitted",
        "_last_forgotten",
        "_lateness",
        "_length",
        "_panes",
        "_revision",
        "_slide",
    )

    order_matters: ClassVar[bool] = False

    def __init__(
        self,
        length: int,
        slide: int,
        align: int,
        lateness: int,
        panes: Callable[[], Iterable[Pane]],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._length, self._slide, self._align, self._lateness = length, slide, align, lateness
        self._panes = panes
        #: The last window that had ended when windows were emitted; later ones were never emitted.
        self._last_emitted: int = state["ended"] if state else NEVER
        #: The last window that is gone.
        self._last_forgotten: int = state["forgotten"] if state else NEVER
        #: The revision that a window has when it is next emitted, for windows that were emitted and are kept.
        self._revision: dict[int, int] = dict(state["revision"]) if state else {}
        #: Windows that have ended, and got more events since they were last emitted.
        self._changed: set[int] = set(state["dirty"]) if state else set()

    def snapshot(self) -> dict[str, Any]:
        return {
            "ended": self._last_emitted,
            "revision": dict(self._revision),
            "dirty": sorted(self._changed),
            "forgotten": self._last_forgotten,
        }

    @property
    def gone_until(self) -> int:
        return NEVER if self._last_forgotten == NEVER else self._end(self._last_forgotten)

    def resume(self, watermark: int, gone_until: int) -> None:
        self._last_emitted = self._last_ended(watermark)
        self._last_forgotten = self._last_ended(max(gone_until, watermark - self._lateness))

    def may_be_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        return self._end(self._first(ts)) <= watermark

    def is_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        return self._last(ts) <= self._last_gone(watermark)

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        first_kept = np.maximum(self._first(ts), self._last_gone(watermark) + 1)
        revising: Bools = first_kept <= np.minimum(self._last(ts), self._last_ended(watermark))
        return revising

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        window = np.maximum(self._first(ts), self._last_ended(watermark) + 1)
        return np.where(window <= self._last(ts), self._end(window), FOREVER)

    def nothing_ended_from(self, ts: int, watermark: int) -> bool:
        return self.first_end(ts) > watermark

    def first_end(self, ts: int) -> int:
        return self._end(self._first(ts))

    def missed(self, ts: int) -> list[tuple[int, int]]:
        starts = [self._start(window) for window in range(self._first(ts), self._last(ts) + 1)]
        return [(start, start + self._length) for start in starts]

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        gone, ended = self._last_gone(watermark), self._last_ended(watermark)
        # Without lateness, a window that has ended is gone.
        for pane in self.count_by_pane(ts) if self._lateness else ():
            self._changed.update(range(max(pane.first, gone + 1), min(pane.last, ended) + 1))
        return {}

    def windows_to_emit(self, watermark: int) -> list[tuple[int, WindowRef]]:
        last_ended = self._last_ended(watermark)
        windows = set(self._changed)
        for first, last in self._panes():
            windows.update(range(max(first, self._last_emitted + 1), min(last, last_ended) + 1))
        self._last_emitted = max(self._last_emitted, last_ended)
        self._changed.clear()
        to_emit = []
        for window in sorted(windows):
            revision = self._revision.get(window, 0)
            if self._lateness:
                self._revision[window] = revision + 1
            to_emit.append((window, WindowRef(self._start(window), self._end(window), revision)))
        return to_emit

    def forget(self, watermark: int) -> None:
        self._last_forgotten = int(self._last_gone(watermark))
        self._revision = {k: r for k, r in self._revision.items() if k > self._last_forgotten}

    def count_by_pane(self, ts: Int64s) -> dict[Pane, int]:
        oldest, newest = int(ts.min()), int(ts.max())
        pane = Pane(self._first(oldest), self._last(oldest))
        if pane == (self._first(newest), self._last(newest)):
            return {pane: len(ts)}
        first, last = self._first(ts), self._last(ts)
        # Neither id decreases with time, and one of the two increases at each boundary between panes. So
        # their sum identifies the pane.
        _, index, count = np.unique(first + last, return_index=True, return_counts=True)
        return {
            Pane(int(first[i]), int(last[i])): n for i, n in zip(index.tolist(), count.tolist(), strict=True)
        }

    def extent(self, pane: Pane) -> tuple[int, int]:
        first, last = pane
        return max(self._start(last), self._end(first - 1)), min(self._start(last + 1), self._end(first))

    def windows_kept(self, pane: Pane) -> range:
        return range(max(pane.first, self._last_forgotten + 1), pane.last + 1)

    def awaits_revision(self) -> bool:
        return bool(self._changed)

    def next_end(self) -> int:
        return self._next_end(self._panes())

    def last_end(self) -> int:
        return max((self._end(pane.last) for pane in self._panes()), default=NEVER)

    def next_change(self) -> int:
        panes = list(self._panes())
        next_end = self._next_end(panes)
        if not self._lateness:
            return next_end
        kept = [pane.last for pane in panes if pane.last > self._last_forgotten]
        return min(next_end, self._end(min(kept)) + self._lateness) if kept else next_end

    def windows_open(self) -> int:
        last_counted, number = self._last_emitted, 0
        for first, last in sorted(self._panes()):
            number += max(0, last - max(first - 1, last_counted))
            last_counted = max(last_counted, last)
        return number

    @property
    def rows_needed_since(self) -> int:
        return max(self._start(self._last_forgotten + 1), NEVER)

    def _next_end(self, panes: Iterable[Pane]) -> int:
        last_emitted = self._last_emitted
        windows = [max(first, last_emitted + 1) for first, last in panes if last > last_emitted]
        return self._end(min(windows)) if windows else FOREVER

    def _first(self, ts: Times) -> Times:
        """The first window of an event."""
        return (ts - self._align - self._length) // self._slide + 1

    def _last(self, ts: Times) -> Times:
        """The last window of an event."""
        return (ts - self._align) // self._slide

    def _start(self, window: int) -> int:
        return self._align + window * self._slide

    def _end(self, window: Times) -> Times:
        return self._align + window * self._slide + self._length

    def _last_ended(self, watermark: Times) -> Times:
        """The last window whose end the watermark has reached."""
        return (watermark - self._align - self._length) // self._slide

    def _last_gone(self, watermark: Times) -> Times:
        """The last window that is gone.

        A window that was gone under a shorter ``allowed_lateness`` stays gone.
        """
        gone: Times = np.maximum(self._last_ended(watermark - self._lateness), self._last_forgotten)
        return gone
