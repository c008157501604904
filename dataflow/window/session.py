"""Session windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef
from dataflow.window.assigner import Pane


@dataclass
class _Session:
    """A session that is not gone: its oldest and newest event time, and the revision to emit next."""

    start: int
    newest: int
    revision: int = 0
    emitted: bool = False


class Sessions:
    """Session windows: events less than ``gap`` apart are in one session, ``[oldest, newest + gap)``.

    Sessions never overlap: an event time belongs to one session at most. For that, an event that falls into a
    session that is gone is late, even if the event is less than ``gap`` behind the watermark.

    ``state`` is what ``snapshot()`` returned. The methods of the interface are described in
    :class:`~dataflow.window.assigner.Assigner`.
    """

    __slots__ = ("_gap", "_gone_until", "_lateness", "_live", "_next_id", "_watermark")

    #: An event behind the watermark may join a session. The session then takes in events after it that would
    #: be late otherwise.
    order_matters: ClassVar[bool] = True

    def __init__(self, gap: int, lateness: int, state: Mapping[str, Any] | None = None) -> None:
        self._gap, self._lateness = gap, lateness
        self._live: dict[int, _Session] = {i: _Session(*s) for i, s in state["live"]} if state else {}
        self._next_id: int = state["next"] if state else 0
        #: The watermark when sessions were last emitted.
        self._watermark: int = state["seen"] if state else NEVER
        self._gone_until: int = state["gone_until"] if state else NEVER

    def snapshot(self) -> dict[str, Any]:
        live = [(i, (s.start, s.newest, s.revision, s.emitted)) for i, s in self._live.items()]
        return {
            "live": live,
            "next": self._next_id,
            "seen": self._watermark,
            "gone_until": self._gone_until,
        }

    @property
    def gone_until(self) -> int:
        return self._gone_until

    def resume(self, watermark: int, gone_until: int) -> None:
        self._watermark, self._gone_until = watermark, gone_until

    def may_be_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        return ts < watermark

    def is_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        late = ts + self._gap + self._lateness <= watermark
        for i in np.flatnonzero(ts < watermark).tolist():
            time = int(ts[i])
            late[i] = time < self._gone_until or (late[i] and not self._near(time, time))
        return late

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        return ts < watermark

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        return ts + self._gap

    def nothing_ended_from(self, ts: int, watermark: int) -> bool:
        return ts >= watermark

    def first_end(self, ts: int) -> int:
        return ts + self._gap

    def missed(self, ts: int) -> list[tuple[int, int]]:
        return [(ts, ts + self._gap)]

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        ordered = np.sort(ts)
        merged: dict[Pane, Pane] = {}
        for group in np.split(ordered, np.flatnonzero(np.diff(ordered) >= self._gap) + 1):
            oldest, newest = int(group[0]), int(group[-1])
            target, *others = self._near(oldest, newest) or [self._new(oldest, newest)]
            session = self._live[target]
            for other in others:
                absorbed = self._live.pop(other)
                oldest, newest = min(oldest, absorbed.start), max(newest, absorbed.newest)
                session.revision = max(session.revision, absorbed.revision)
                merged[Pane(other, other)] = Pane(target, target)
            session.start, session.newest = min(oldest, session.start), max(newest, session.newest)
            session.emitted = False
        return merged

    def windows_to_emit(self, watermark: int) -> list[tuple[int, WindowRef]]:
        self._watermark = watermark
        to_emit = []
        for i, session in sorted(self._live.items(), key=lambda item: item[1].newest):
            end = self._end(session)
            if not session.emitted and end <= watermark:
                to_emit.append((i, WindowRef(session.start, end, session.revision)))
                session.emitted, session.revision = True, session.revision + 1
        return to_emit

    def forget(self, watermark: int) -> None:
        for i, session in list(self._live.items()):
            if self._end(session) + self._lateness <= watermark:
                self._gone_until = max(self._gone_until, self._end(session))
                del self._live[i]

    def count_by_pane(self, ts: Int64s) -> dict[Pane, int]:
        by_start = sorted((session.start, i) for i, session in self._live.items())
        starts, ids = (np.array(column) for column in zip(*by_start, strict=True))
        found, count = np.unique(ids[np.searchsorted(starts, ts, "right") - 1], return_counts=True)
        return {Pane(i, i): n for i, n in zip(found.tolist(), count.tolist(), strict=True)}

    def extent(self, pane: Pane) -> tuple[int, int]:
        session = self._live[pane.first]
        return session.start, self._end(session)

    def windows_kept(self, pane: Pane) -> Sequence[int]:
        return (pane.first,) if pane.first in self._live else ()

    def awaits_revision(self) -> bool:
        return any(not s.emitted and self._end(s) <= self._watermark for s in self._live.values())

    def next_end(self) -> int:
        ends = (self._end(session) for session in self._live.values())
        return min((end for end in ends if end > self._watermark), default=FOREVER)

    def last_end(self) -> int:
        return max((self._end(session) for session in self._live.values()), default=NEVER)

    def next_change(self) -> int:
        gone = (self._end(session) + self._lateness for session in self._live.values())
        return min(self.next_end(), min(gone, default=FOREVER))

    def windows_open(self) -> int:
        # Copied first, because the gauges ask in another thread.
        return sum(self._end(session) > self._watermark for session in list(self._live.values()))

    @property
    def rows_needed_since(self) -> int:
        return min((session.start for session in self._live.values()), default=FOREVER)

    def _end(self, session: _Session) -> int:
        return session.newest + self._gap

    def _near(self, oldest: int, newest: int) -> list[int]:
        """The ids of the sessions that events from ``oldest`` to ``newest`` join."""
        gap = self._gap
        return [i for i, s in self._live.items() if s.start - gap < newest and oldest < s.newest + gap]

    def _new(self, oldest: int, newest: int) -> int:
        self._next_id += 1
        self._live[self._next_id] = _Session(oldest, newest)
        return self._next_id
