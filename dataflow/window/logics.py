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

from dataflow.clock import NEVER, Clock, micros
from dataflow.items.windows import WholeWindows
from dataflow.settings import Window
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch
from dataflow.window import gauges
from dataflow.window.arrivals import Arrivals
from dataflow.window.assembly import Assembly
from dataflow.window.chunk import ChunkReader, StoredChunk
from dataflow.window.kinds import last_end
from dataflow.window.machine import Windows
from dataflow.window.messages import (
    Append,
    Drop,
    Gone,
    GroupRows,
    Order,
    Output,
    Part,
    Recall,
    Replace,
    Stamp,
    Times,
    Trim,
)
from dataflow.window.passing import Passing
from dataflow.window.progress import ForGroup, Progress

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
    """What all logics share. The fields are described at ``gather_windows`` in ``step``."""

    options: Window
    clock: Clock
    watch: Watch
    partitions: Collection[str]
    loading: Loading
    stopping: Callable[[], bool] = lambda: False
    announces: bool = False


class ProgressLogic(StatefulBatchLogic[Times, ForGroup, dict[str, Any]]):
    """Stamps the rows of all key groups, on one worker. Only event times pass here."""

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        self._common, self._clock = common, common.clock
        common.loading.note(state)
        self._progress = gauges.PROGRESS.add(
            Progress(common.options, common.partitions, micros(common.clock()), state)
        )

    def on_batch(self, values: list[Times]) -> tuple[Iterable[ForGroup], bool]:
        now = micros(self._clock())
        before = self._progress.jumps
        stamps = [stamp for times in values for stamp in self._progress.stamp(times, now)]
        metrics.JUMPS.inc(self._progress.jumps - before)
        return stamps, False

    def on_notify(self) -> tuple[Iterable[ForGroup], bool]:
        now = self._clock()
        if now < self._common.loading.over or self._common.stopping():
            self._progress.pass_time(micros(now))
            return [], False
        return self._progress.tick(micros(now)), False

    def on_eof(self) -> tuple[Iterable[ForGroup], bool]:
        options, newest = self._common.options, self._progress.newest
        if options.on_eof == "keep" or self._common.stopping() or newest == NEVER:
            return [], False
        return self._progress.finish(last_end(options, newest)), False

    def notify_at(self) -> datetime | None:
        return self._clock() + _STALL if self._common.options.idle_timeout else None

    def snapshot(self) -> dict[str, Any]:
        return self._progress.snapshot()


class WindowLogic(StatefulBatchLogic["GroupRows | Stamp", Output, dict[str, Any]]):
    """The windows of one key group."""

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        self._common = common
        common.loading.note(state)
        self._arrivals, self._passing = Arrivals(), Passing(common.options)
        now_us = micros(common.clock())
        self._windows = gauges.GROUPS.add(Windows(common.options, now_us, state, announces=common.announces))
        # After a restart, the readers have no rows. The first orders recall the rows from the stored chunks,
        # which cannot send the rows by timers instead: see _LOADING.
        self._recalls = tuple(map(Recall, self._windows.chunks))
        self._every = _tick_every(common.options)
        self._wake = common.clock() + self._every

    def on_batch(self, values: list[GroupRows | Stamp]) -> tuple[Iterable[Output], bool]:
        now, outputs = micros(self._common.clock()), []
        for value in values:
            for stamp, item in self._common.watch.guard(self._arrivals.take)(value):
                rows = (item.rows, now, item.arrival_us) if item else (None, now)
                output = self._windows.push(stamp, *rows)
                output.passed = self._passing.note(self._windows.passed)
                outputs.append(output)
        return self._send(outputs), False

    def on_notify(self) -> tuple[Iterable[Output], bool]:
        now = self._common.clock()
        if now < self._common.loading.over or self._common.stopping():
            return [], False
        overdue, self._wake = now - self._wake, now + self._every
        stalled = micros(overdue) if overdue > _STALL else 0
        return self._send([self._windows.tick(micros(now), stalled)]), False

    def on_eof(self) -> tuple[Iterable[Output], bool]:
        if self._common.options.on_eof == "keep" or self._common.stopping():
            return [], False
        return self._send([self._windows.finish()]), False

    def _send(self, outputs: list[Output]) -> list[Output]:
        """The outputs to send on."""
        for late in (late for output in outputs for late in output.late):
            self._observe_late(late)
        if self._recalls and (first := next((output for output in outputs if output.orders), None)):
            first.orders[:0], self._recalls = self._recalls, ()
        return [each for each in outputs if each.orders or each.late or each.passed or each.arrived]

    def _observe_late(self, late: pa.RecordBatch) -> None:
        by_seconds = late.column("late_by_us").to_numpy() / 1e6
        # The lateness is negative if the event falls into a session that is gone.
        in_session = int(np.count_nonzero(by_seconds < 0))
        metrics.LATE_SESSION.inc(in_session)
        metrics.LATE_CLOSED.inc(len(late) - in_session)
        metrics.LATE_BY.observe(np.maximum(by_seconds, 0))
        self._common.watch.digest.late(late)

    def notify_at(self) -> datetime | None:
        if self._common.options.watermark == "stream":
            return None
        return max(self._wake, self._common.loading.over)

    def snapshot(self) -> dict[str, Any]:
        metrics.SNAPSHOT_TIMESTAMP.set_to_current_time()
        self._common.watch.guard(self._arrivals.check_empty)()
        return self._windows.snapshot()


def _tick_every(options: Window) -> timedelta:
    """How often the wall clock is looked at, for timeouts and for keys to forget."""
    shortest = min(options.idle_timeout or options.remember, options.remember)
    return min(max(shortest / 4, timedelta(milliseconds=100)), timedelta(minutes=1))


class KeepLogic(StatefulBatchLogic[Order, "Replace | Gone", dict[str, Any]]):
    """The stored half of a chunk: snapshots write its rows."""

    __slots__ = ("_chunk", "_guard")

    def __init__(self, common: Common, state: dict[str, Any] | None) -> None:
        common.loading.note(state)
        self._guard, self._chunk = common.watch.guard, gauges.CHUNKS.add(StoredChunk(state))

    def on_batch(self, values: list[Order]) -> tuple[Iterable[Replace | Gone], bool]:
        replaces: list[Replace | Gone] = []
        for order in values:
            match order:
                case Append() | Trim():
                    replaces.extend(self._guard(self._chunk.apply)(order))
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


class AssembleLogic(StatefulBatchLogic[Part, WholeWindows, None]):
    """Collects the parts of one emission until all parts have come."""

    __slots__ = ("_assembly", "_guard")

    def __init__(self, common: Common, state: None) -> None:
        self._guard, self._assembly = common.watch.guard, Assembly()

    def on_batch(self, values: list[Part]) -> tuple[Iterable[WholeWindows], bool]:
        for part in values:
            if (whole := self._assembly.take(part)) is not None:
                return [whole], True
        return [], False

    def snapshot(self) -> None:
        self._guard(self._assembly.snapshot)()
