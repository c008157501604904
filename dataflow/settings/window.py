"""The settings of event-time windows."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dataflow.settings.group import Group
from dataflow.settings.values import Instant, NotNegative, Positive

#: Most sliding windows that an event may be in. An event is scored in each of its windows, so the number of
#: windows multiplies the work and the output.
MOST_WINDOWS = 5_000


class Window(Group):
    """Event-time windows. docs/explanation/time.md explains what each setting does to a stream."""

    kind: Literal["sliding", "tumbling", "session"] = "sliding"
    """Kind of the windows: ``sliding`` windows overlap, ``tumbling`` windows do not, a ``session`` ends where
    no event comes for ``gap``.
    """

    length: Positive = timedelta(minutes=10)
    """Length of a sliding or tumbling window; longer than zero."""

    slide: Positive = timedelta(minutes=5)
    """Time from the start of a sliding window to the start of the next one; longer than zero, at most
    ``length``, at least ``length`` / 5,000.
    """

    gap: Positive = timedelta(minutes=5)
    """Time without an event that ends a session; longer than zero."""

    watermark: Literal["stream", "key"] = "stream"
    """Whose events move the watermark: those of all keys (``stream``), as in Spark and Flink, or those of
    each key alone (``key``), for devices whose clocks or uploads do not depend on each other.
    """

    key_groups: Annotated[int, Field(ge=1, le=4096)] = 8
    """Number of groups into which the keys are divided, from 1 to 4,096. A group is the unit of work and of
    state. At most this many workers assign events to windows; all workers hold rows and score. Fewer groups
    make larger batches, which cost less: a flow that never has more than one worker needs 1. Fixed in the
    recovery store.
    """

    delay: NotNegative = timedelta(minutes=5)
    """How far the watermark stays behind the largest event time of a partition; at least zero. Events that
    are out of order by at most ``delay`` are not late.
    """

    allowed_lateness: NotNegative = timedelta(0)
    """How long, in event time, a closed window takes late events and is emitted again with the next revision;
    at least zero.
    """

    idle_timeout: Positive | None = None
    """How long, by the wall clock, a partition may be silent before the watermark stops waiting for it;
    longer than zero. Unset: the watermark waits without a limit.
    """

    max_future: Positive = timedelta(minutes=5)
    """How far an event time may be ahead of the wall clock; longer than zero. An event further ahead becomes
    a dead letter.
    """

    max_jump: NotNegative | None = None
    """How far an event may be ahead of the newest event of its partition and move the watermark at once; at
    least zero. An event further ahead moves the watermark only after later events confirm it. ``0s``: each
    event moves the watermark at once. Unset: the value of ``delay``.
    """

    align_to: Instant = datetime(1970, 1, 1, tzinfo=timezone.utc)
    """A time at which a sliding or tumbling window starts, for example ``2026-01-01T00:00:00Z``; UTC if it
    has no offset. All other windows follow from it.
    """

    on_eof: Literal["close", "keep"] = "close"
    """What happens to open windows at the end of the input: ``close`` scores them; ``keep`` leaves them in
    the recovery store, for a later run over more input.
    """

    max_window_rows: Annotated[int, Field(ge=100)] | None = None
    """Most rows of a key in a window, at least 100. A window with more rows is scored on a uniform sample of
    its rows. Unset: no bound.
    """

    max_window_bytes: Annotated[int, Field(ge=1_000_000)] | None = None
    """Most bytes of a key in a window (embeddings, texts, ids and attributes), at least 1,000,000. A window
    with more is scored on a uniform sample of its rows. Unset: no bound.
    """

    remember: Positive = timedelta(days=1)
    """With ``watermark = key``: how long, by the wall clock, a key without rows remembers which of its
    windows are closed; longer than zero. After that time, a very late event can open a closed window again.
    """

    @property
    def step(self) -> timedelta:
        """The time from one window to the next; with sessions, the gap that ends one."""
        return {"sliding": self.slide, "tumbling": self.length, "session": self.gap}[self.kind]

    @model_validator(mode="after")
    def _slide_fits(self) -> "Window":
        if self.kind == "sliding" and self.slide > self.length:
            raise ValueError(
                "window.slide is longer than window.length, events between the windows would be lost"
            )
        if self.kind == "sliding" and self.length > MOST_WINDOWS * self.slide:
            raise ValueError(
                f"window.length is {self.length // self.slide:,} times window.slide, so each event would "
                f"be in that many windows; the most is {MOST_WINDOWS:,}: make window.slide longer"
            )
        return self
