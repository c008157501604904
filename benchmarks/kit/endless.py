"""A stream that never waits, and a model that may be slower: both count rows."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import orjson
import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import micros, rfc3339
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.items.schemas import RAW, raw_schema

_START_US = micros(datetime(2026, 1, 1, tzinfo=timezone.utc))
_SERVICES = ("payments", "orders", "refunds", "stock")
_BATCH_ROWS = 1024


class EndlessSource(FixedPartitionedSource[pa.RecordBatch, int]):
    """JSON records, as many as somebody takes until ``seconds`` are over. ``rows``: how many were taken.

    No text comes twice, so the model is asked for each. ``events_per_second``: of event time. ``answered``:
    how many texts the model has answered. ``most_in_flight``: the most rows that were taken and not answered.
    """

    def __init__(self, seconds: float, events_per_second: float, answered: Callable[[], int]) -> None:
        self._seconds, self._step_us = seconds, round(1e6 / events_per_second)
        self._answered = answered
        self.rows = self.most_in_flight = 0

    def take(self, rows: int) -> range:
        """The numbers of the next ``rows`` rows."""
        self.rows += rows
        self.most_in_flight = max(self.most_in_flight, self.rows - self._answered())
        return range(self.rows - rows, self.rows)

    def list_parts(self) -> list[str]:
        return ["endless"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_Endless":
        return _Endless(self, time.monotonic() + self._seconds, self._step_us)


class _Endless(StatefulSourcePartition[pa.RecordBatch, int]):
    def __init__(self, source: EndlessSource, until: float, step_us: int) -> None:
        self._source, self._until, self._step_us = source, until, step_us

    def next_batch(self) -> list[pa.RecordBatch]:
        if time.monotonic() > self._until:
            raise StopIteration
        offsets = self._source.take(_BATCH_ROWS)
        columns: dict[str, Any] = {
            "raw": [self._record(offset) for offset in offsets],
            "partition": pa.repeat("endless", _BATCH_ROWS),
            "offset": pa.array(offsets, pa.int64()),
            "arrival": pa.repeat(pa.scalar(_START_US, RAW.field("arrival").type), _BATCH_ROWS),
        }
        empty = {field.name: pa.nulls(_BATCH_ROWS, field.type) for field in RAW if field.nullable}
        columns |= empty
        arrays = [pa.array(columns[name], RAW.field(name).type) for name in RAW.names]
        return [pa.RecordBatch.from_arrays(arrays, schema=raw_schema("jsonl"))]

    def _record(self, offset: int) -> bytes:
        service = _SERVICES[offset % len(_SERVICES)]
        text = f"{service}: refund {offset} of {offset * 37 % 500} EUR sent"
        return orjson.dumps(
            {"ts": rfc3339(_START_US + offset * self._step_us), "service": service, "text": text}
        )

    def snapshot(self) -> int:
        return self._source.rows


class PacedModel(NullEmbedder):
    """The null embedder, which answers ``texts_per_second`` texts at most; 0: as many as it can.

    ``rows``: how many texts it answered.
    """

    def __init__(self, dim: int, texts_per_second: float) -> None:
        super().__init__(dim)
        self._seconds_a_text = 1 / texts_per_second if texts_per_second else 0.0
        self.rows = 0

    def embed(self, texts: Sequence[str]) -> Embedded:
        embedded = super().embed(texts)
        time.sleep(len(texts) * self._seconds_a_text)
        self.rows += len(texts)
        return embedded
