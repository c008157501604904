"""Session windows."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Bools, Int64s
from dataflow.window.assigner import Assigned, Events, Pane


@dataclass(slots=True)
class _Session:
    """A session that is not gone: its id, and its oldest and newest event time."""

    number: int
    oldest: int
    newest: int


class Sessions:
    """Session windows: events less than ``gap`` apart are in one session, ``[oldest, newest + gap)``.

    The sessions of a key never overlap: an event time belongs to one session at most. For that, an event that
    falls into a session that is gone is late, even if the event is less than ``gap`` behind the watermark. A
    session that is gone is known for ``2 * gap``. So an event that is further behind makes no session begin
    earlier: it is late, unless it falls into a session.

    Each key has its own sessions, and only keys with sessions are known here, or keys whose last session is
    gone for less than ``2 * gap``. ``shared``: whether all keys share a watermark. ``state`` is what
    ``snapshot()`` returned. The methods of the interface are described in
    :class:`~dataflow.window.assigner.Assigner`.
    """

    __slots__ = ("_due", "_due_at", "_gap", "_gone_until", "_lateness", "_live", "_next", "_reach", "_shared")

    #: An event behind the watermark may join a session. The session then takes in events after it that would
    #: be late otherwise.
    of_events: ClassVar[bool] = True

    def __init__(self, gap: int, lateness: int, state: Any = None, *, shared: bool = True) -> None:
        self._gap, self._lateness, self._shared = gap, lateness, shared
        #: How far behind the watermark an event may make a session begin earlier.
        self._reach = 2 * gap
        self._next: int
        self._next, live, gone = state or (0, (), ())
        self._live: dict[str, list[_Session]] = {key: [_Session(*s) for s in of_key] for key, of_key in live}
        #: The highest end of the sessions of a key that are gone.
        self._gone_until: dict[str, int] = dict(gone)
        #: A heap of (watermark, key): at this watermark, or earlier, the key must be looked at. Keys that
        #: have a watermark of their own are looked at with each of their events.
        self._due = [(NEVER, key) for key in {**self._live, **self._gone_until}] if shared else []
        heapq.heapify(self._due)
        self._due_at: dict[str, int] = {key: at for at, key in self._due}

    def snapshot(self) -> tuple[Any, ...]:
        live = [(key, [(s.number, s.oldest, s.newest) for s in of_key]) for key, of_key in self._live.items()]
        return self._next, live, list(self._gone_until.items())

    def late(self, ts: Int64s, gone: Int64s) -> Bools:
        return np.zeros(len(ts), np.bool_)

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        behind: Bools = ts < watermark
        return behind

    def is_late(self, key: str | None, ts: int, gone: int) -> bool:
        assert key is not None
        if ts < self._gone_until.get(key, NEVER):
            return True
        if ts + self._gap > gone:
            return False
        is_far = ts + self._reach <= gone
        return not any(s.oldest <= ts or not is_far for s in self._near(key, ts, ts))

    def missed(self, ts: int) -> list[tuple[int, int]]:
        return [(ts, ts + self._gap)]

    def assign(self, events: Events) -> Assigned:
        order = np.lexsort((events.ts, events.codes))
        ts, codes = events.ts[order], events.codes[order]
        cuts = np.flatnonzero((np.diff(codes) != 0) | (np.diff(ts) >= self._gap)) + 1
        starts = [0, *cuts.tolist()]
        stops = [*cuts.tolist(), len(ts)]
        numbers = np.empty(len(ts), np.int64)
        merged: list[tuple[str, int, int]] = []
        for start, stop in zip(starts, stops, strict=True):
            key = events.names[codes[start]]
            assert key is not None
            numbers[order[start:stop]] = self._join(key, int(ts[start]), int(ts[stop - 1]), merged)
        for _, old, new in merged:
            numbers[numbers == old] = new
        return Assigned(numbers, numbers, merged)

    def ended(self, key: str | None, panes: Iterable[Pane], fired: int, watermark: int) -> list[int]:
        assert key is not None
        return [s.number for s in self._live.get(key, ()) if fired < s.newest + self._gap <= watermark]

    def kept(self, key: str | None, pane: Pane, gone: int) -> Sequence[int]:
        session = self._find(key, pane.first)
        return (pane.first,) if session and session.newest + self._gap > gone else ()

    def span(self, key: str | None, window: int) -> tuple[int, int]:
        session = self._find(key, window)
        assert session is not None
        return session.oldest, session.newest + self._gap

    def extent(self, key: str | None, pane: Pane) -> tuple[int, int]:
        return self.span(key, pane.first)

    def due(self, fired: int, watermark: int, lateness: int) -> list[str]:
        keys = []
        while self._due and self._due[0][0] <= watermark:
            at, key = heapq.heappop(self._due)
            if self._due_at.get(key) == at:
                del self._due_at[key]
                keys.append(key)
        return keys

    def forget(self, key: str | None, watermark: int, gone: int) -> None:
        assert key is not None
        live = self._live.pop(key, [])
        ended = [s.newest + self._gap for s in live if s.newest + self._gap <= gone]
        if len(ended) < len(live):
            self._live[key] = [s for s in live if s.newest + self._gap > gone]
        gone_until = max(ended, default=self._gone_until.get(key, NEVER))
        if gone_until + self._reach > gone:
            self._gone_until[key] = gone_until
        else:
            # Any event that falls into the session is late without it.
            self._gone_until.pop(key, None)
        self._look_at(key, watermark)

    def _look_at(self, key: str, watermark: int) -> None:
        """Note when the key must be looked at next, now that everything up to ``watermark`` was done."""
        if not self._shared:
            return
        times = [s.newest + self._gap for s in self._live.get(key, ())]
        at = min((t if t > watermark else t + self._lateness for t in times), default=FOREVER)
        if key in self._gone_until:
            at = min(at, self._gone_until[key] + self._reach + self._lateness)
        if at < self._due_at.get(key, FOREVER):
            self._due_at[key] = at
            heapq.heappush(self._due, (at, key))

    def _join(self, key: str, oldest: int, newest: int, merged: list[tuple[str, int, int]]) -> int:
        """The id of the session that events from ``oldest`` to ``newest`` join or begin."""
        live = self._live.setdefault(key, [])
        near = self._near(key, oldest, newest)
        if not near:
            self._next += 1
            near = [_Session(self._next, oldest, newest)]
            live.extend(near)
        session, *others = near
        for other in others:
            live.remove(other)
            merged.append((key, other.number, session.number))
        session.oldest = min(oldest, *(s.oldest for s in near))
        session.newest = max(newest, *(s.newest for s in near))
        self._look_at(key, NEVER)
        return session.number

    def _near(self, key: str, oldest: int, newest: int) -> list[_Session]:
        """The sessions that events from ``oldest`` to ``newest`` join."""
        gap = self._gap
        return [s for s in self._live.get(key, ()) if s.oldest - gap < newest and oldest < s.newest + gap]

    def _find(self, key: str | None, number: int) -> _Session | None:
        assert key is not None
        return next((s for s in self._live.get(key, ()) if s.number == number), None)
