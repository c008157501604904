"""Session windows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef
from dataflow.window.assigner import Pane


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
