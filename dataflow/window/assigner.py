"""Which windows an event belongs to, and which of them are ripe. Pure arithmetic, no rows.

A **window** has an integer id. A **pane** is a run of event time whose events share all their
windows, named by (first id, last id): counting rows by pane is enough to know which windows hold
rows, how many, and which rows are still needed. A window has *ended* when the watermark has reached
its end; it is kept for ``lateness`` more, then it is *gone*. Times are integers: microseconds since
the Unix epoch, UTC.

:class:`Aligned` and :class:`Sessions` share the interface :class:`Assigner`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.windows import WindowRef

Pane = tuple[int, int]
#: One number, or ``(n,)`` of them.
Times = TypeVar("Times", int, Int64s)


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
