"""The Bytewax logics of the window stage: one class for each stateful step of :mod:`dataflow.window.step`.

Each logic wraps an object of this package that knows neither Bytewax nor the wall clock.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from dataflow.clock import Clock, micros
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.items.windows import WholeWindow
from dataflow.settings import Window
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch
from dataflow.window import gauges
from dataflow.window.chunk import Assembly, ChunkReader, StoredChunk
from dataflow.window.machine import Idle, Windows
from dataflow.window.messages import Append, Drop, Gone, Order, Output, Part, Recall, Replace, Trim
from dataflow.window.progress import Progress, Stamped

#: If a timer fires later than this, the process stood still: the source need not have been silent.
_STALL = timedelta(seconds=1)
#: Bytewax fires timers while it still loads snapshots. It loads each key in the epoch of the key's snapshot,
#: and overwrites the state that messages of earlier epochs gave to the key. So what a timer sends in this
#: time is lost. No timer acts until no snapshot has been loaded for this long.
_LOADING = timedelta(seconds=10)


class Loading:
    """Guesses when Bytewax has loaded all snapshots: at the time ``over``, if no more snapshots come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.over = datetime.min.replace(tzinfo=timezone.utc)

    def note(self, state: Any) -> None:
        """Note that Bytewax builds a logic from ``state``, which is ``None`` if there is no snapshot."""
        if state is not None:
            self.over = self._clock() + _LOADING


@dataclass(frozen=True)
class Common:
    """What the logics of all keys share. The fields are described at ``gather_windows`` in ``step``."""

    options: Window
    clock: Clock
    watch: Watch
    partitions: Collection[str]
    loading: Loading
    stopping: Callable[[], bool] = lambda: False


class ProgressLogic(StatefulBatchLogic[Marked, Stamped, dict[str, Any]]):
    """Stamps all batches, on one worker, so that all keys see the batches of all partitions in one order."""

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        options, self._clock = common.options, common.clock
        self._watches_silence = bool(options.idle_timeout)
        common.loading.note(state)
        jump = options.delay if options.max_jump is None else options.max_jump
        idle = micros(options.idle_timeout) if options.idle_timeout else None
        self._progress = Progress(micros(jump), idle, common.partitions, micros(common.clock()), state)

    def on_batch(self, values: list[Marked]) -> tuple[Iterable[Stamped], bool]:
        now = micros(self._clock())
        stamped = [
            part._replace(arrival_us=marked.arrival_us)
            for marked in values
            for part in self._progress.stamp(marked.rows, now)
        ]
        for part in stamped:
            if part.confirmed is not None:
                metrics.JUMPS.inc(int(np.count_nonzero(part.confirmed < event_times(part.rows))))
        return stamped, False

    def on_notify(self) -> tuple[Iterable[Stamped], bool]:
        self._progress.tick(micros(self._clock()))
        return [], False

    def notify_at(self) -> datetime | None:
        return self._clock() + _STALL if self._watches_silence else None

    def snapshot(self) -> dict[str, Any]:
        return self._progress.snapshot()


class WindowLogic(StatefulBatchLogic[Stamped, Output, dict[str, Any]]):
    """The windows of one key.

    A key without rows keeps only a few numbers (``Idle``), and it keeps them for ``window.remember``.
    """

    # The logics have slots to save memory, because there may be a million keys.
    __slots__ = ("_common", "_idle", "_recalls", "_wake", "_windows")

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        self._common = common
        common.loading.note(state)
        self._wake: datetime | None = None
        self._idle: Idle | None = None
        self._windows: Windows | None = None
        self._recalls: tuple[Recall, ...] = ()
        if state and "rest" in state:
            self._idle = Idle(*state["rest"])
        else:
            self._windows = gauges.KEYS.add(Windows(common.options, micros(common.clock()), state))
            # After a restart, the readers have no rows. The first orders of the key recall the rows from the
            # stored chunks. The stored chunks cannot send the rows by timers instead: see _LOADING.
            self._recalls = tuple(map(Recall, self._windows.chunks)) if state else ()

    def on_batch(self, values: list[Stamped]) -> tuple[Iterable[Output], bool]:
        now = micros(self._common.clock())
        windows = self._windows or gauges.KEYS.add(Windows(self._common.options, now, idle=self._idle))
        return self._send(windows, [windows.push(part, now) for part in values]), False

    def on_notify(self) -> tuple[Iterable[Output], bool]:
        now = self._common.clock()
        overdue = now - (self._wake or now)
        if now < self._common.loading.over or self._common.stopping():
            return [], False
        if not self._windows:
            return [], overdue >= timedelta(0)
        stalled = micros(overdue) if overdue > _STALL else 0
        return self._send(self._windows, [self._windows.tick(micros(now), stalled)]), False

    def on_eof(self) -> tuple[Iterable[Output], bool]:
        if not self._windows or self._common.options.on_eof == "keep" or self._common.stopping():
            return [], False
        return self._send(self._windows, [self._windows.finish()]), False

    def _send(self, windows: Windows, outputs: list[Output]) -> list[Output]:
        """The outputs to send on, after ``windows`` has returned them."""
        self._idle = windows.idle()
        self._windows = None if self._idle else windows
        for output in outputs:
            for late in output.late:
                self._observe_late(late)
        if self._recalls and (first := next((output for output in outputs if output.orders), None)):
            first.orders[:0], self._recalls = self._recalls, ()
        return [output for output in outputs if output.orders or output.late]

    def _observe_late(self, late: pa.RecordBatch) -> None:
        by_seconds = late.column("late_by_us").to_numpy() / 1e6
        # The lateness is negative if the event falls into a session that is gone.
        in_session = int(np.count_nonzero(by_seconds < 0))
        metrics.LATE_SESSION.inc(in_session)
        metrics.LATE_CLOSED.inc(len(late) - in_session)
        metrics.LATE_BY.observe(np.maximum(by_seconds, 0))
        self._common.watch.digest.late(late)

    def notify_at(self) -> datetime | None:
        now = self._common.clock()
        if self._windows:
            at = self._windows.wake_at(micros(now))
            self._wake = None if at is None else datetime.fromtimestamp(at / 1e6, timezone.utc)
        else:
            self._wake = now + self._common.options.remember
        return self._wake and max(self._wake, self._common.loading.over)

    def snapshot(self) -> dict[str, Any]:
        metrics.SNAPSHOT_TIMESTAMP.set_to_current_time()
        # A plain tuple, because a snapshot must not name a class.
        return self._windows.snapshot() if self._windows else {"rest": tuple(self._idle or ())}


class KeepLogic(StatefulBatchLogic[Order, "Replace | Gone", dict[str, Any]]):
    """The stored half of a chunk: snapshots write its rows."""

    __slots__ = ("_chunk",)

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        common.loading.note(state)
        self._chunk = gauges.CHUNKS.add(StoredChunk(state))

    def on_batch(self, values: list[Order]) -> tuple[Iterable[Replace | Gone], bool]:
        replaces: list[Replace | Gone] = []
        for order in values:
            match order:
                case Append() | Trim():
                    replaces.extend(self._chunk.apply(order))
                case Recall():
                    replaces.append(self._chunk.replace())
                case Drop():
                    return [*replaces, Gone()], True
        return replaces, False

    def snapshot(self) -> dict[str, Any]:
        state = self._chunk.snapshot()
        metrics.SNAPSHOT_BYTES.inc(len(state["rows"]) + len(state["vectors"]))
        return state


class ReadLogic(StatefulBatchLogic["Order | Replace | Gone", Part, dict[str, Any]]):
    """The reading half of a chunk: it hands over the rows of windows."""

    __slots__ = ("_guard", "_reader")

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        self._guard, self._reader = common.watch.guard, ChunkReader(state)

    def on_batch(self, values: list[Order | Replace | Gone]) -> tuple[Iterable[Part], bool]:
        parts: list[Part] = []
        gone = False
        take = self._guard(self._reader.take)
        for item in values:
            made, gone = take(item)
            parts.extend(made)
        return parts, gone

    def snapshot(self) -> dict[str, Any]:
        state: dict[str, Any] = self._guard(self._reader.snapshot)()
        return state


class AssembleLogic(StatefulBatchLogic[Part, WholeWindow, None]):
    """Collects the parts of one window until all parts have come."""

    __slots__ = ("_assembly", "_guard")

    def __init__(self, common: Common, state: None) -> None:
        self._guard, self._assembly = common.watch.guard, Assembly()

    def on_batch(self, values: list[Part]) -> tuple[Iterable[WholeWindow], bool]:
        for part in values:
            if (whole := self._assembly.take(part)) is not None:
                return [whole], True
        return [], False

    def snapshot(self) -> None:
        self._guard(self._assembly.snapshot)()
