"""Which windows an event belongs to, and which of them are ripe. Pure arithmetic, no rows.

A **window** has an integer id. A **pane** is a run of event time whose events share all their
windows, named by (first id, last id): counting rows by pane is enough to know which windows hold
rows, how many, and which rows are still needed. A window has *ended* when the watermark has reached
its end; it is kept for ``lateness`` more, then it is *gone*. Times are integers: microseconds since
the Unix epoch, UTC.

:class:`Aligned` and :class:`Sessions` share the interface :class:`Assigner`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from dataflow.window.watermark import NEVER, Int64s

Bools = npt.NDArray[np.bool_]
Pane = tuple[int, int]
#: One number, or ``(n,)`` of them.
Times = TypeVar("Times", int, Int64s)

#: Later than any event.
FOREVER = -NEVER


class WindowRef(NamedTuple):
    """One emission of one window, ``[start, end)``; ``revision`` 0 is the first."""

    start: int
    end: int
    revision: int


class Assigner(Protocol):
    """What the window state machine needs to know of a kind of windows."""

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: events that may be late for some window, given the watermark before each."""

    def ahead(self, ts: int, watermark: int) -> bool:
        """Whether nothing has ended yet that an event from ``ts`` on can be in."""

    def first_end(self, ts: int) -> int:
        """No window that an event from ``ts`` on is in ends before this."""

    def alone(self, behind: Bools) -> Bools:
        """``(n,)``: events that must be judged one by one, as it depends on those before them."""

    def late(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: events all of whose windows are gone."""

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        """``(n,)``: no window that an event is in and that has not ended will end before this."""

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        """Admit events. Returns the panes that are no more, and which they became part of."""

    def panes(self, ts: Int64s) -> dict[Pane, int]:
        """The number of events, admitted before, in each pane."""

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: admitted events that change a window that has ended."""

    def revised(self) -> bool:
        """Whether a window that has ended has changed and waits to be emitted again."""

    def ripe(self, watermark: int, panes: Iterable[Pane]) -> list[tuple[int, WindowRef]]:
        """The windows to emit now that the watermark has moved, by id, in order of their ends."""

    def next_end(self, panes: Iterable[Pane]) -> int:
        """The end of the first window that has rows and has not ended; ``FOREVER`` if none has."""

    def last_end(self, panes: Iterable[Pane]) -> int:
        """The end of the last window that has rows; ``NEVER`` if none has."""

    def next_change(self, panes: Iterable[Pane]) -> int:
        """The lowest watermark at which a window that has rows ends or is gone; ``FOREVER`` if none has."""

    def open(self, panes: Iterable[Pane]) -> int:
        """The number of windows that have rows and have not ended."""

    def forget(self, watermark: int) -> None:
        """Let go of the windows that are gone."""

    @property
    def needed_since(self) -> int:
        """No row from before this event time is needed any more."""

    def kept(self, pane: Pane) -> Sequence[int]:
        """The windows of a pane that are not gone."""

    def extent(self, pane: Pane) -> tuple[int, int]:
        """The event times ``[start, end)`` of a pane."""

    def missed(self, ts: int) -> list[tuple[int, int]]:
        """The windows ``[start, end)`` that a late event belongs to."""

    @property
    def gone_until(self) -> int:
        """Beside the watermark, all that must be remembered once no window is kept."""

    def resume(self, watermark: int, gone_until: int) -> None:
        """Take up after the last window was gone."""

    def snapshot(self) -> dict[str, Any]:
        """Plain data to build it again from."""


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


@dataclass
class _Session:
    start: int
    newest: int
    revision: int = 0
    emitted: bool = False


class Sessions:
    """Session windows: events less than ``gap`` apart; ``[first, newest + gap)``. They never overlap.

    An event that falls into a session that is gone is late, even if it came within ``gap`` of the
    watermark: so no event time ever belongs to two sessions.
    """

    __slots__ = ("_gap", "_gone_until", "_lateness", "_live", "_next", "_seen")

    def __init__(self, gap: int, lateness: int, state: Mapping[str, Any] | None = None) -> None:
        self._gap, self._lateness = gap, lateness
        self._live: dict[int, _Session] = {i: _Session(*s) for i, s in state["live"]} if state else {}
        self._next: int = state["next"] if state else 0
        self._seen: int = state["seen"] if state else NEVER
        self._gone_until: int = state["gone_until"] if state else NEVER

    def snapshot(self) -> dict[str, Any]:
        live = [(i, (s.start, s.newest, s.revision, s.emitted)) for i, s in self._live.items()]
        return {"live": live, "next": self._next, "seen": self._seen, "gone_until": self._gone_until}

    @property
    def gone_until(self) -> int:
        return self._gone_until

    def resume(self, watermark: int, gone_until: int) -> None:
        self._seen, self._gone_until = watermark, gone_until

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        return ts < watermark

    def ahead(self, ts: int, watermark: int) -> bool:
        return ts >= watermark

    def first_end(self, ts: int) -> int:
        return ts + self._gap

    def alone(self, behind: Bools) -> Bools:
        return behind

    def late(self, ts: Int64s, watermark: Int64s) -> Bools:
        late = ts + self._gap + self._lateness <= watermark
        for i in np.flatnonzero(ts < watermark).tolist():
            late[i] = ts[i] < self._gone_until or (late[i] and not self._touched(int(ts[i]), int(ts[i])))
        return late

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        return ts + self._gap

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        ordered = np.sort(ts)
        merged: dict[Pane, Pane] = {}
        for run in np.split(ordered, np.flatnonzero(np.diff(ordered) >= self._gap) + 1):
            low, high = int(run[0]), int(run[-1])
            into, *others = self._touched(low, high) or [self._open(low, high)]
            target = self._live[into]
            for other in others:
                absorbed = self._live.pop(other)
                low, high = min(low, absorbed.start), max(high, absorbed.newest)
                target.revision = max(target.revision, absorbed.revision)
                merged[other, other] = into, into
            target.start, target.newest = min(low, target.start), max(high, target.newest)
            target.emitted = False
        return merged

    def panes(self, ts: Int64s) -> dict[Pane, int]:
        by_start = sorted((session.start, i) for i, session in self._live.items())
        starts, ids = (np.array(column) for column in zip(*by_start, strict=True))
        found, count = np.unique(ids[np.searchsorted(starts, ts, "right") - 1], return_counts=True)
        return {(i, i): n for i, n in zip(found.tolist(), count.tolist(), strict=True)}

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        return ts < watermark

    def revised(self) -> bool:
        return any(not s.emitted and s.newest + self._gap <= self._seen for s in self._live.values())

    def ripe(self, watermark: int, panes: Iterable[Pane]) -> list[tuple[int, WindowRef]]:
        self._seen = watermark
        emitted = []
        for i, s in sorted(self._live.items(), key=lambda item: item[1].newest):
            if not s.emitted and s.newest + self._gap <= watermark:
                emitted.append((i, WindowRef(s.start, s.newest + self._gap, s.revision)))
                s.emitted, s.revision = True, s.revision + 1
        return emitted

    def next_end(self, panes: Iterable[Pane]) -> int:
        ends = (s.newest + self._gap for s in self._live.values())
        return min((end for end in ends if end > self._seen), default=FOREVER)

    def last_end(self, panes: Iterable[Pane]) -> int:
        return max((s.newest + self._gap for s in self._live.values()), default=NEVER)

    def next_change(self, panes: Iterable[Pane]) -> int:
        gone = (s.newest + self._gap + self._lateness for s in self._live.values())
        return min(self.next_end(panes), min(gone, default=FOREVER))

    def open(self, panes: Iterable[Pane]) -> int:
        return sum(s.newest + self._gap > self._seen for s in list(self._live.values()))

    def forget(self, watermark: int) -> None:
        for i, s in list(self._live.items()):
            if s.newest + self._gap + self._lateness <= watermark:
                self._gone_until = max(self._gone_until, s.newest + self._gap)
                del self._live[i]

    @property
    def needed_since(self) -> int:
        return min((s.start for s in self._live.values()), default=FOREVER)

    def kept(self, pane: Pane) -> Sequence[int]:
        return (pane[0],) if pane[0] in self._live else ()

    def extent(self, pane: Pane) -> tuple[int, int]:
        session = self._live[pane[0]]
        return session.start, session.newest + self._gap

    def missed(self, ts: int) -> list[tuple[int, int]]:
        return [(ts, ts + self._gap)]

    def _touched(self, low: int, high: int) -> list[int]:
        return [i for i, s in self._live.items() if s.start - self._gap < high and low < s.newest + self._gap]

    def _open(self, low: int, high: int) -> int:
        self._next += 1
        self._live[self._next] = _Session(low, high)
        return self._next
