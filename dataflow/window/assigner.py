"""Which windows an event belongs to, and which windows to emit: arithmetic on times, without any rows.

The terms of this package, with Flink's names where they differ:

- A **window** ``[start, end)`` has an integer id within its key.
- A **pane** is a stretch of event time whose events all belong to the same windows. The rows of a key are
  counted by pane. The counts are enough to find out which windows have rows, how many, and which rows are
  still needed.
- A window has **ended** when the watermark has reached its end. It is then emitted (in Flink, it *fires*).
- A window is **gone** (in Flink, *purged*) when the watermark has reached its end plus the allowed lateness
  (in Flink, its *cleanup time*). Until then, events that belong to the window are added to it, and it is
  emitted again as a new **revision**.
- An event is **late** when all its windows are gone (in Flink, *isLate*).

All times are integers: microseconds since the Unix epoch, UTC.

:class:`~dataflow.window.aligned.Aligned` (tumbling and sliding windows) and
:class:`~dataflow.window.session.Sessions` implement :class:`Assigner`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef

#: One time or window id, or an ``(n,)`` array of them.
Times = TypeVar("Times", int, Int64s)


class Pane(NamedTuple):
    """A pane, named by the ids of the first and the last window of its events.

    Sessions do not overlap, so each session is a pane of its own, and both ids are the session's.
    """

    first: int
    last: int


class Assigner(Protocol):
    """What the window machine asks a kind of windows, for one key.

    In methods on arrays, ``ts`` are the event times ``(n,)`` of events, and ``watermark`` is ``(n,)`` the
    watermark right before each event.
    """

    #: Whether the lateness of an event behind the watermark can depend on the events right before it, so that
    #: such events must be processed one by one.
    order_matters: ClassVar[bool]

    # Questions about events.

    def may_be_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: whether an event may be late, or may belong to a window that has ended. Cheap to ask."""

    def is_late(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: whether all windows of an event are gone."""

    def revising(self, ts: Int64s, watermark: Int64s) -> Bools:
        """``(n,)``: whether an event that is not late may belong to a window that has ended."""

    def earliest_end(self, ts: Int64s, watermark: Int64s) -> Int64s:
        """``(n,)``: a time before which no window of the event ends, among those that have not ended."""

    def nothing_ended_from(self, ts: int, watermark: int) -> bool:
        """Whether, of all windows that events at ``ts`` or later can belong to, none has ended."""

    def first_end(self, ts: int) -> int:
        """A time before which no window ends that events at ``ts`` or later can belong to."""

    def missed(self, ts: int) -> list[tuple[int, int]]:
        """The windows ``(start, end)`` that a late event belongs to, in order of their ends."""

    # Changes.

    def add(self, ts: Int64s, watermark: int) -> dict[Pane, Pane]:
        """Add events that are not late.

        Returns the panes that became part of other panes (when an event joins sessions), each with the pane
        that it is now part of.
        """

    def windows_to_emit(self, watermark: int) -> list[tuple[int, WindowRef]]:
        """The windows to emit now that the watermark has moved, with their ids, in order of their ends.

        The caller emits them: each call returns a window once.
        """

    def forget(self, watermark: int) -> None:
        """Forget the windows that are gone."""

    # Questions about panes and windows.

    def count_by_pane(self, ts: Int64s) -> dict[Pane, int]:
        """How many of these events, which were added before, are in each pane."""

    def extent(self, pane: Pane) -> tuple[int, int]:
        """The stretch of event time ``(start, end)`` of a pane, without the end itself."""

    def windows_kept(self, pane: Pane) -> Sequence[int]:
        """The ids of the windows of a pane that are not gone."""

    def awaits_revision(self) -> bool:
        """Whether a window that has ended got more events, and waits to be emitted again."""

    def next_end(self) -> int:
        """The lowest end of the windows that have rows and have not ended; ``FOREVER`` if there are none."""

    def last_end(self) -> int:
        """The highest end of the windows that have rows; ``NEVER`` if there are none."""

    def next_change(self) -> int:
        """The lowest watermark at which a window with rows ends or is gone; ``FOREVER`` if there is none."""

    def windows_open(self) -> int:
        """How many windows have rows and have not ended."""

    @property
    def rows_needed_since(self) -> int:
        """An event time: rows from before are in no window that is kept."""

    # State.

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""

    @property
    def gone_until(self) -> int:
        """The highest end of the windows that are gone.

        A key without rows remembers it, so that none of these windows opens again.
        """

    def resume(self, watermark: int, gone_until: int) -> None:
        """Go on with a key that had no rows, from what the key remembers."""
