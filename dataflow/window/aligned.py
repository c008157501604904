"""Tumbling and sliding windows."""

from collections.abc import Iterable
from typing import ClassVar

from dataflow.items.arrays import Bools, Int64s
from dataflow.window.assigner import Assigned, Events, Pane, Times


class Aligned:
    """Tumbling and sliding windows: window ``k`` is ``[align + k*slide, align + k*slide + length)``.

    ``slide`` is at most ``length`` and need not divide it; ``k`` may be negative. All keys have the same
    windows, so nothing here depends on the key. The methods of the interface are described in
    :class:`~dataflow.window.assigner.Assigner`.
    """

    __slots__ = ("_align", "_length", "_slide")

    of_events: ClassVar[bool] = False

    def __init__(self, length: int, slide: int, align: int) -> None:
        self._length, self._slide, self._align = length, slide, align

    def late(self, ts: Int64s, gone: Int64s) -> Bools:
        return self._last(ts) <= self._last_ended(gone)

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        return self._first(ts) <= self._last_ended(watermark)

    def is_late(self, key: str | None, ts: int, gone: int) -> bool:
        return self._last(ts) <= self._last_ended(gone)

    def missed(self, ts: int) -> list[tuple[int, int]]:
        return [self.span(None, window) for window in range(self._first(ts), self._last(ts) + 1)]

    def assign(self, events: Events) -> Assigned:
        return Assigned(self._first(events.ts), self._last(events.ts))

    def ended(self, key: str | None, panes: Iterable[Pane], fired: int, watermark: int) -> set[int]:
        before, now = self._last_ended(fired), self._last_ended(watermark)
        windows: set[int] = set()
        for first, last in panes:
            windows.update(range(max(first, before + 1), min(last, now) + 1))
        return windows

    def kept(self, key: str | None, pane: Pane, gone: int) -> range:
        return range(max(pane.first, self._last_ended(gone) + 1), pane.last + 1)

    def span(self, key: str | None, window: int) -> tuple[int, int]:
        return self._start(window), self._end(window)

    def extent(self, key: str | None, pane: Pane) -> tuple[int, int]:
        first, last = pane
        return max(self._start(last), self._end(first - 1)), min(self._start(last + 1), self._end(first))

    def due(self, fired: int, watermark: int, lateness: int) -> tuple[()] | None:
        ended = self._last_ended(watermark) > self._last_ended(fired)
        gone = self._last_ended(watermark - lateness) > self._last_ended(fired - lateness)
        return None if ended or gone else ()

    def forget(self, key: str | None, watermark: int, gone: int) -> None:
        """Nothing is remembered."""

    def snapshot(self) -> None:
        """``None``: there is no state."""

    def first_open(self, watermark: Times) -> Times:
        """The first window that has not ended."""
        return self._last_ended(watermark) + 1

    def _first(self, ts: Times) -> Times:
        """The first window of an event."""
        return (ts - self._align - self._length) // self._slide + 1

    def _last(self, ts: Times) -> Times:
        """The last window of an event."""
        return (ts - self._align) // self._slide

    def _start(self, window: int) -> int:
        return self._align + window * self._slide

    def _end(self, window: int) -> int:
        return self._align + window * self._slide + self._length

    def _last_ended(self, watermark: Times) -> Times:
        """The last window whose end the watermark has reached."""
        return (watermark - self._align - self._length) // self._slide
