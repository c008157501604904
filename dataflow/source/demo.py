"""``demo:?seed=7&events=3600&rate=100&start=2026-03-02T06:00:00Z``: a stream that the source generates.

:mod:`dataflow.source.demo_log` makes the events. The records are JSON lines in three partitions, out of order
by up to two minutes. The same URI gives the same records each time.

Options: ``rate``: events per second, over all partitions (unset: as fast as the flow takes them); ``events``:
how many events; ``start``: the event time of the first event; ``seed``: another seed gives another stream.
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
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import raw_batch, records_in_batch
from dataflow.source.demo_log import Plan, record
from dataflow.source.waiting import AT_ONCE, WaitOncePerRound

#: How many partitions the stream has. Event ``i`` is in partition ``i % 3``.
PARTITIONS = 3
#: The most rows in a batch: enough rows for the model, and few enough that windows close while the demo runs.
BATCH_ROWS = 256
#: With a rate, a partition checks at most this often, in seconds, whether events are due.
TICK_S = 0.05
#: The schema of the batches.
SCHEMA = raw_schema("jsonl")
_DEFAULTS = Plan()


class Options(BaseModel):
    """The options of the URI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = _DEFAULTS.seed
    events: Annotated[int, Field(ge=1)] = _DEFAULTS.events
    start: AwareDatetime = _DEFAULTS.start
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Pace(NamedTuple):
    """When events are due. ``rate``: events per second; ``None``: all events are due at once.

    ``timer`` returns monotonic seconds, which do not change when somebody sets the wall clock.
    """

    rate: float | None
    timer: Callable[[], float]
    sleep: Callable[[float], None]


class DemoPartition(StatefulSourcePartition[pa.RecordBatch, int]):
    """Every third event of the plan. The state is the offset of the next event."""

    def __init__(
        self,
        plan: Plan,
        number: int,
        offset: int,
        *,
        options: SourceOptions,
        pace: Pace,
        waits: WaitOncePerRound,
        clock: Clock,
    ) -> None:
        self._plan, self._number, self._options, self._clock = plan, number, options, clock
        self._pace, self._waits = pace, waits
        self._size = len(range(number, plan.events, PARTITIONS))
        self._offset = self._first = offset
        self._started = self._next_check = pace.timer()

    def next_batch(self) -> Iterable[pa.RecordBatch]:
        if self._offset >= self._size:
            raise StopIteration
        if self._pace.rate is not None and not self._waits.poll(str(self._number), self._is_due):
            return []
        end = min(self._offset + min(BATCH_ROWS, self._options.batch_rows), self._due())
        records = [
            orjson.dumps(record(self._plan, self._number + offset * PARTITIONS))
            for offset in range(self._offset, end)
        ]
        records = records[: records_in_batch(map(len, records), self._options)]
        offsets = range(self._offset, self._offset + len(records))
        self._offset = offsets.stop
        return [raw_batch(records, offsets, str(self._number), self._clock(), SCHEMA)]

    def _due(self) -> int:
        """The offset after the last event that is due."""
        if self._pace.rate is None:
            return self._size
        passed_s = self._pace.timer() - self._started
        return min(self._size, self._first + int(passed_s * self._pace.rate / PARTITIONS) + 1)

    def _is_due(self, wait_s: float) -> bool:
        self._pace.sleep(wait_s)
        now = self._pace.timer()
        if now < self._next_check or self._due() <= self._offset:
            return False
        self._next_check = now + TICK_S
        return True

    def next_awake(self) -> datetime:
        return AT_ONCE

    def snapshot(self) -> int:
        return self._offset


class DemoSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """The stream of ``plan``, which is made of ``uri_options``."""

    def __init__(
        self,
        uri_options: Options,
        options: SourceOptions,
        clock: Clock,
        *,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.plan = Plan(seed=uri_options.seed, events=uri_options.events, start=uri_options.start)
        self._options, self._clock = options, clock
        self._pace, self._waits = Pace(uri_options.rate, timer, sleep), WaitOncePerRound()

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
            options=self._options,
            pace=self._pace,
            waits=self._waits,
            clock=self._clock,
        )


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> DemoSource:
    """Make the source. Raises ``SettingsError`` for a wrong option or setting."""
    uri.allow(*Options.model_fields)
    try:
        options = Options.model_validate(dict(uri.options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][0]
        raise SettingsError(f"{uri}: {name}={first['input']}: {first['msg']}") from None
    check_format("jsonl", None)
    return DemoSource(options, settings.source, clock)
