"""The state machines of the window stage as Bytewax logics, one object a key."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from dataflow import settings
from dataflow.clock import Clock, micros
from dataflow.items.windows import WholeWindow
from dataflow.telemetry import metrics
from dataflow.telemetry.guard import Guard
from dataflow.window import gauges
from dataflow.window.chunk import Assembly, Keeper, Reader
from dataflow.window.machine import Rest, Windows
from dataflow.window.messages import Append, Drop, Gone, Order, Output, Part, Recall, Replace, Trim
from dataflow.window.progress import Progress, Stamped

#: A timer that fires later than this has found the process standing still, not the source.
_STALL = timedelta(seconds=1)
#: Bytewax fires timers while it still loads snapshots. It loads each key in the epoch of its snapshot, over
#: whatever messages of earlier epochs have made of it: what a timer sends then is lost. So none has a say
#: until no snapshot has been loaded for this long.
_LOADING = timedelta(seconds=10)
_Item: TypeAlias = Order | Recall | pa.RecordBatch


class _ProgressLogic(StatefulBatchLogic[pa.RecordBatch, Stamped, dict[str, Any]]):
    """All batches pass here, on one worker: whatever the keys and workers are, they see the same order."""

    def __init__(self, common: "_Common", state: dict[str, Any] | None) -> None:
        spec, self._clock, self._listens = common.spec, common.clock, bool(common.spec.idle_timeout)
        common.loads.note(state)
        jump = spec.delay if spec.max_jump is None else spec.max_jump
        idle = micros(spec.idle_timeout) if spec.idle_timeout else None
        self._progress = Progress(micros(jump), idle, common.partitions, micros(common.clock()), state)

    def on_batch(self, values: list[pa.RecordBatch]) -> tuple[Iterable[Stamped], bool]:
        now = micros(self._clock())
        return [gauges.passed(part) for rows in values for part in self._progress.take(rows, now)], False

    def on_notify(self) -> tuple[Iterable[Stamped], bool]:
        self._progress.listen(micros(self._clock()))
        return [], False

    def notify_at(self) -> datetime | None:
        return self._clock() + _STALL if self._listens else None

    def snapshot(self) -> dict[str, Any]:
        return self._progress.snapshot()


class _WindowLogic(StatefulBatchLogic[Stamped, _Item, dict[str, Any]]):
    """One key. While it holds no rows, all that is kept of it is a few numbers, for ``window.remember``."""

    # A million keys may come and go.
    __slots__ = ("_common", "_recalls", "_rest", "_wake", "_windows")

    def __init__(self, common: "_Common", state: dict[str, Any] | None) -> None:
        self._common = common
        common.loads.note(state)
        self._wake: datetime | None = None
        self._rest: Rest | None = None
        self._windows: Windows | None = None
        self._recalls: tuple[Recall, ...] = ()
        if state and "rest" in state:
            self._rest = tuple(state["rest"])
        else:
            now = micros(common.clock())
            self._windows = gauges.KEYS.add(Windows(common.spec, now, state))
            # Not by a timer of the keepers' own: see _LOADING.
            self._recalls = tuple(map(Recall, self._windows.chunks)) if state else ()

    def on_batch(self, values: list[Stamped]) -> tuple[Iterable[_Item], bool]:
        now = micros(self._common.clock())
        windows = self._windows or gauges.KEYS.add(Windows(self._common.spec, now, rest=self._rest))
        outputs = [
            gauges.windowed(part.rows, windows.push(part._replace(rows=gauges.unmarked(part.rows)), now))
            for part in values
        ]
        return self._after(windows, outputs), False

    def on_notify(self) -> tuple[Iterable[_Item], bool]:
        now = self._common.clock()
        overdue = now - (self._wake or now)
        if now < self._common.loads.over or self._common.stopping():
            return [], False
        if not self._windows:
            return [], overdue >= timedelta(0)
        stalled = micros(overdue) if overdue > _STALL else 0
        return self._after(self._windows, [self._windows.tick(micros(now), stalled)]), False

    def on_eof(self) -> tuple[Iterable[_Item], bool]:
        if not self._windows or self._common.spec.on_eof == "keep" or self._common.stopping():
            return [], False
        return self._after(self._windows, [self._windows.finish()]), False

    def _after(self, windows: Windows, outputs: list[Output]) -> list[_Item]:
        self._rest = windows.rest()
        self._windows = None if self._rest else windows
        items = [item for output in outputs for item in (*output.orders, *output.late)]
        if any(output.orders for output in outputs):
            items, self._recalls = [*self._recalls, *items], ()
        return items

    def notify_at(self) -> datetime | None:
        now = self._common.clock()
        if self._windows:
            at = self._windows.wake_at(micros(now))
            self._wake = None if at is None else datetime.fromtimestamp(at / 1e6, timezone.utc)
        else:
            self._wake = now + self._common.spec.remember
        return self._wake and max(self._wake, self._common.loads.over)

    def snapshot(self) -> dict[str, Any]:
        metrics.SNAPSHOT_TIMESTAMP.set_to_current_time()
        return self._windows.snapshot() if self._windows else {"rest": self._rest}


class _Loads:
    """When the loading of snapshots is over, as far as one can tell."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.over = datetime.min.replace(tzinfo=timezone.utc)

    def note(self, state: Any) -> None:
        """A logic is being built, from a snapshot if there is a state."""
        if state is not None:
            self.over = self._clock() + _LOADING


@dataclass(frozen=True)
class _Common:
    """What the window logics of all keys share."""

    spec: settings.Window
    clock: Clock
    partitions: Collection[str]
    loads: _Loads
    stopping: Callable[[], bool] = lambda: False


class _KeepLogic(StatefulBatchLogic[Order | Recall, "Replace | Gone", dict[str, Any]]):
    __slots__ = ("_keeper",)

    def __init__(self, loads: _Loads, state: dict[str, Any] | None) -> None:
        loads.note(state)
        self._keeper = gauges.CHUNKS.add(Keeper(state))

    def on_batch(self, values: list[Order | Recall]) -> tuple[Iterable[Replace | Gone], bool]:
        told: list[Replace | Gone] = []
        for order in values:
            if isinstance(order, Append | Trim):
                told.extend(self._keeper.take(order))
            elif isinstance(order, Recall):
                told.extend(self._keeper.replay())
            elif isinstance(order, Drop):
                return [*told, Gone()], True
        return told, False

    def snapshot(self) -> dict[str, Any]:
        state = self._keeper.snapshot()
        metrics.SNAPSHOT_BYTES.inc(len(state["rows"]) + len(state["vectors"]))
        return state


class _ReadLogic(StatefulBatchLogic["Order | Replace | Gone", Part, dict[str, Any]]):
    __slots__ = ("_guard", "_reader")

    def __init__(self, guard: Guard, state: dict[str, Any] | None) -> None:
        self._guard, self._reader = guard, Reader(state)

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


class _AssembleLogic(StatefulBatchLogic[Part, WholeWindow, None]):
    __slots__ = ("_assembly", "_guard")

    def __init__(self, guard: Guard, state: None) -> None:
        self._guard, self._assembly = guard, Assembly()

    def on_batch(self, values: list[Part]) -> tuple[Iterable[WholeWindow], bool]:
        for part in values:
            if whole := self._assembly.take(part):
                return [whole], True
        return [], False

    def snapshot(self) -> None:
        self._guard(self._assembly.snapshot)()
