"""``demo:?seed=7&events=3600&rate=100&start=2026-03-02T06:00:00Z``: a stream made up on the spot.

What it says is in :mod:`dataflow.source.demo_log`. The records come in three partitions, as JSON
lines, out of order by up to two minutes; the same URI gives the same records every time.

``rate``: events a second, over all partitions; unset: as fast as they are taken.
``events``: how many, in all. ``start``: event time of the first. ``seed``: which stream.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, NamedTuple

import orjson
import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import Check
from dataflow.source.demo_log import Plan, record
from dataflow.source.framing import fitting, raw_batch
from dataflow.source.idle import AT_ONCE, Idle

#: How many partitions the stream has.
PARTITIONS = 3
#: Rows a batch at most: enough for the model to work in, few enough that windows close as it runs.
BATCH_ROWS = 256
#: With a rate, a partition looks this often for what is due, in seconds.
TICK_S = 0.05
#: The schema of the batches.
SCHEMA = raw_schema("jsonl")
#: The stream without options.
PLAN = Plan()


class Options(BaseModel):
    """The options of the URI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = PLAN.seed
    events: Annotated[int, Field(ge=1)] = PLAN.events
    start: AwareDatetime = PLAN.start
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Pace(NamedTuple):
    """When events are due. ``timer`` is monotonic seconds, which no setting of the wall clock changes."""

    rate: float | None
    timer: Callable[[], float]
    sleep: Callable[[float], None]


class DemoPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """Every third event of the plan. The state is how many of them were given out."""

    def __init__(
        self,
        plan: Plan,
        number: int,
        given: int,
        *,
        options: SourceSettings,
        pace: Pace,
        idle: Idle,
        clock: Clock,
    ) -> None:
        self._plan, self._number, self._options, self._clock = plan, number, options, clock
        self._pace, self._idle = pace, idle
        self._size = len(range(number, plan.events, PARTITIONS))
        self._given = self._first = given
        self._started = self._looks = pace.timer()

    def next_batch(self) -> Iterable[pa.RecordBatch]:
        if self._given >= self._size:
            raise StopIteration
        if self._pace.rate is not None and not self._idle.poll(str(self._number), self._is_due):
            return []
        last = min(self._given + min(BATCH_ROWS, self._options.batch_rows), self._due())
        raw = [
            orjson.dumps(record(self._plan, self._number + offset * PARTITIONS))
            for offset in range(self._given, last)
        ]
        raw = raw[: fitting(map(len, raw), self._options)]
        records = list(enumerate(raw, self._given))
        self._given += len(raw)
        return [raw_batch(records, str(self._number), self._clock(), SCHEMA)]

    def _due(self) -> int:
        """The offset after the last event that is due."""
        if self._pace.rate is None:
            return self._size
        passed_s = self._pace.timer() - self._started
        return min(self._size, self._first + int(passed_s * self._pace.rate / PARTITIONS) + 1)

    def _is_due(self, wait_s: float) -> bool:
        self._pace.sleep(wait_s)
        now = self._pace.timer()
        if now < self._looks or self._due() <= self._given:
            return False
        self._looks = now + TICK_S
        return True

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._given


class DemoSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """The demo stream, as ``plan`` says. Event ``i`` is in partition ``i % 3``."""

    def __init__(
        self,
        options: Options,
        settings: SourceSettings,
        clock: Clock,
        *,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.plan = Plan(seed=options.seed, events=options.events, start=options.start)
        self._settings, self._clock = settings, clock
        self._pace, self._idle = Pace(options.rate, timer, sleep), Idle()

    def list_parts(self) -> list[str]:
        return [str(number) for number in range(min(PARTITIONS, self.plan.events))]

    def partitions_with_data(self) -> list[str]:
        """All partitions: each has events."""
        return self.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> DemoPartition:
        return DemoPartition(
            self.plan,
            int(for_part),
            resume_state or 0,
            options=self._settings,
            pace=self._pace,
            idle=self._idle,
            clock=self._clock,
        )


def open_source(settings: Settings, uri: Uri, clock: Clock, check: Check) -> DemoSource:
    """The source that ``demo:`` names. Raises ``SettingsError`` for an option it does not know."""
    uri.allow(*Options.model_fields)
    try:
        options = Options.model_validate(dict(uri.options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][0]
        raise SettingsError(f"{uri}: {name}={first['input']}: {first['msg']}") from None
    return DemoSource(options, settings.source, clock)
