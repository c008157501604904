"""``demo:?seed=7&events=3600&rate=100&start=2026-03-02T06:00:00Z``: a stream made up on the spot.

What it says is in :mod:`dataflow.sources.demo_log`. The records come in three partitions, as JSON
lines, out of order by up to two minutes; the same URI gives the same records every time.

``rate``: events a second of wall clock, over all partitions; unset: as fast as they are taken.
``events``: how many, in all. ``start``: event time of the first. ``seed``: which stream.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

import orjson
import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from dataflow.errors import SettingsError
from dataflow.events import raw_schema
from dataflow.settings import Settings
from dataflow.sources import Clock
from dataflow.sources.demo_log import Plan, record
from dataflow.uri import Uri

PARTITIONS = 3
#: Rows a batch at most: enough for the model to work in, few enough that windows close as it runs.
BATCH_ROWS = 256
#: With a rate, a partition looks this often for what is due.
TICK = timedelta(milliseconds=50)
SCHEMA = raw_schema("jsonl")
PLAN = Plan()


class Options(BaseModel):
    """The options of the URI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = PLAN.seed
    events: Annotated[int, Field(ge=1)] = PLAN.events
    start: AwareDatetime = PLAN.start
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class DemoPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """Every third event of the plan. The state is how many of them were given out."""

    def __init__(
        self, plan: Plan, number: int, *, given: int, rate: float | None, rows: int, clock: Clock
    ) -> None:
        self._plan, self._number, self._clock, self._rows = plan, number, clock, rows
        self._size = len(range(number, plan.events, PARTITIONS))
        self._given = self._first = given
        self._interval = None if rate is None else timedelta(seconds=PARTITIONS / rate)
        self._started = clock()

    def next_batch(self) -> Iterable[pa.RecordBatch]:
        if self._given >= self._size:
            raise StopIteration
        now = self._clock()
        rows = self._rows
        if self._interval is not None:
            due = self._first + (now - self._started) // self._interval + 1
            rows = min(rows, due - self._given)
        offsets = range(self._given, min(self._given + rows, self._size))
        if not offsets:
            return []
        self._given = offsets.stop
        raw = [orjson.dumps(record(self._plan, self._number + offset * PARTITIONS)) for offset in offsets]
        partition, nothing = [str(self._number)] * len(raw), [None] * len(raw)
        columns = (raw, partition, list(offsets), [now] * len(raw), nothing, nothing)
        return [
            pa.RecordBatch.from_arrays(
                [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)],
                schema=SCHEMA,
            )
        ]

    def next_awake(self) -> datetime | None:
        if self._interval is None or self._given >= self._size:
            return None
        due = self._started + (self._given - self._first) * self._interval
        return max(due, self._clock() + TICK)

    def snapshot(self) -> int:
        return self._given


class DemoSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """The demo stream, as ``plan`` says. Event ``i`` is in partition ``i % 3``."""

    def __init__(self, options: Options, *, batch_rows: int, clock: Clock) -> None:
        self.plan = Plan(seed=options.seed, events=options.events, start=options.start)
        self._rate, self._rows, self._clock = options.rate, min(BATCH_ROWS, batch_rows), clock

    def list_parts(self) -> list[str]:
        return [str(number) for number in range(min(PARTITIONS, self.plan.events))]

    def speaking(self) -> list[str]:
        return self.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> DemoPartition:
        return DemoPartition(
            self.plan,
            int(for_part),
            given=resume_state or 0,
            rate=self._rate,
            rows=self._rows,
            clock=self._clock,
        )


def open_source(settings: Settings, uri: Uri, clock: Clock) -> DemoSource:
    """The source that ``demo:`` names. Raises ``SettingsError`` for an option it does not know."""
    uri.allow(*Options.model_fields)
    try:
        options = Options.model_validate(dict(uri.options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][0]
        raise SettingsError(f"{uri}: {name}={first['input']}: {first['msg']}") from None
    return DemoSource(options, batch_rows=settings.source.batch_rows, clock=clock)
