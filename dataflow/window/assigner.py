"""Which windows an event belongs to: arithmetic on times, without any rows.

The terms of this package, with Flink's names where they differ:

- A **window** ``[start, end)`` has an integer id: within its key for sessions, for all keys otherwise.
- A **pane** is a stretch of event time whose events all belong to the same windows. Rows are counted by pane.
  The counts are enough to find out which windows have rows, how many, and which rows are still needed.
- A window has **ended** when the watermark has reached its end. It is then emitted (in Flink, it *fires*).
- A window is **gone** (in Flink, *purged*) when the watermark has reached its end plus the allowed lateness
  (in Flink, its *cleanup time*). Until then, events that belong to the window are added to it, and it is
  emitted again as a new **revision**.
- An event is **late** when all its windows are gone (in Flink, *isLate*).

In arguments, ``gone`` is the watermark less the allowed lateness: a window is gone when its end is at most
``gone``. All times are integers: microseconds since the Unix epoch, UTC.

:class:`~dataflow.window.aligned.Aligned` (tumbling and sliding windows) and
:class:`~dataflow.window.session.Sessions` implement :class:`Assigner`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from dataflow.items.arrays import Bools, Int64s

#: One time or window id, or an ``(n,)`` array of them.
Times = TypeVar("Times", int, Int64s)


class Pane(NamedTuple):
    """A pane, named by the ids of the first and the last window of its events.

    Sessions do not overlap, so each session is a pane of its own, and both ids are the session's.
    """

    first: int
    last: int


class Events(NamedTuple):
    """Events in order of arrival. ``ts``: ``(n,)`` their times. ``names[codes[i]]`` is the key of event
    ``i``.

    The one name is ``None`` if the keys need not be told apart.
    """

    ts: Int64s
    codes: Int64s
    names: Sequence[str | None]

    def part(self, start: int, stop: int | None = None) -> "Events":
        """The events from number ``start`` on, up to but without number ``stop``."""
        return Events(self.ts[start:stop], self.codes[start:stop], self.names)

    def where(self, mask: Bools) -> "Events":
        """The events where ``mask``, ``(n,)``, is true."""
        return Events(self.ts[mask], self.codes[mask], self.names)


class Assigned(NamedTuple):
    """The panes of events. ``first``, ``last``: ``(n,)`` the two ids of the pane of each event.

    ``merged``: sessions that became part of another session, ``(key, old id, new id)``, in this order.
    """

    first: Int64s
    last: Int64s
    merged: Sequence[tuple[str, int, int]] = ()


class Assigner(Protocol):
    """What the window machine asks a kind of windows. ``key`` is ``None`` for all keys."""

    #: Whether each key has windows of its own, which its events make. Then the lateness of an event behind
    #: the watermark depends on the events right before it.
    of_events: ClassVar[bool]

    def late(self, ts: Int64s, gone: Int64s) -> Bools:
        """``(n,)``: whether an event is late, as far as its time alone says so. ``gone``: ``(n,)``."""

    def behind(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: whether an event may belong to a window that has ended.

        ``watermark``: ``(n,)``, right before each event.
        """

    def is_late(self, key: str | None, ts: int, gone: int) -> bool:
        """Whether one event is late, now that all events before it were assigned."""

    def missed(self, ts: int) -> list[tuple[int, int]]:
        """The windows ``(start, end)`` that a late event belongs to, in order of their ends."""

    def assign(self, events: Events) -> Assigned:
        """Put events that are not late into their windows."""

    def ended(self, key: str | None, panes: Iterable[Pane], fired: int, watermark: int) -> Iterable[int]:
        """The windows of panes that end when the watermark goes from ``fired`` to ``watermark``."""

    def kept(self, key: str | None, pane: Pane, gone: int) -> Sequence[int]:
        """The windows of a pane that are not gone."""

    def span(self, key: str | None, window: int) -> tuple[int, int]:
        """The start and the end of a window."""

    def extent(self, key: str | None, pane: Pane) -> tuple[int, int]:
        """The stretch of event time ``(start, end)`` of a pane, without the end itself."""

    def due(self, fired: int, watermark: int, lateness: int) -> Iterable[str | None] | None:
        """The keys of which a window may end or be gone when the watermark of all keys goes from ``fired`` to
        ``watermark``; ``None``: any key. Each call returns a key once.
        """

    def forget(self, key: str | None, watermark: int, gone: int) -> None:
        """Forget the windows of a key that are gone. ``watermark``: the watermark of the key."""

    def snapshot(self) -> Any:
        """The state as plain data."""
