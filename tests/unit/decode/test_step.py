"""The decode step: its two streams, and what is counted and marked on the way."""

from datetime import datetime, timezone

import bytewax.operators as op
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

from dataflow.clock import micros
from dataflow.decode.step import decode
from dataflow.items.marks import Marked
from dataflow.items.schemas import DEAD_LETTER, EVENT, raw_schema
from dataflow.settings import Settings, Source
from dataflow.source.batching import raw_batch
from dataflow.telemetry.watch import UNWATCHED

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def decoded(
    batches: list[pa.RecordBatch], settings: Settings
) -> tuple[list[Marked], list[tuple[str, Marked]]]:
    events: list[Marked] = []
    letters: list[tuple[str, Marked]] = []
    flow = Dataflow("decode")
    out = decode("decode", op.input("in", flow, TestingSource(batches)), settings, lambda: NOW, UNWATCHED)
    op.output("events", out.events, TestingSink(events))
    op.output("letters", out.dead_letters, TestingSink(letters))
    run_main(flow)
    return events, letters


def raw(*lines: bytes, format: str = "jsonl") -> pa.RecordBatch:
    return raw_batch(lines, range(len(lines)), "p", NOW, raw_schema(format))


GOOD = b'{"ts": "2026-11-23T11:00:00Z", "text": "good"}'


def test_each_record_goes_to_one_stream_and_no_empty_batch_does() -> None:
    events, letters = decoded([raw(GOOD, b"bad"), raw(GOOD), raw(b"bad", b"worse"), raw()], Settings())
    assert [len(batch) for batch in events] == [1, 1]
    assert [(key, len(batch)) for key, batch in letters] == [("dead_letters", 1), ("dead_letters", 2)]
    assert all(batch.rows.schema.equals(EVENT, check_metadata=True) for batch in events)
    assert all(batch.rows.schema.equals(DEAD_LETTER, check_metadata=True) for _, batch in letters)


def test_events_know_when_their_records_were_read() -> None:
    (batch,), _ = decoded([raw(GOOD)], Settings())
    assert batch.arrival_us == micros(NOW)


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_records_and_times_that_a_clock_showed_twice_are_counted(lines: int) -> None:
    names = ("driftline_records_total", "driftline_batch_records_count", "driftline_ambiguous_times_total")
    before = [REGISTRY.get_sample_value(name) or 0 for name in names]
    times = [f"2026-10-25 0{hour}:30:00 text".encode() for hour in (1, 2, 2, 3)]
    settings = Settings(source=Source(ts_zone="Europe/Zurich"))
    decoded([raw(*times, *times[:1] * lines, format="text")], settings)
    after = [REGISTRY.get_sample_value(name) or 0 for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [4 + lines, 1, 2]
