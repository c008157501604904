"""A dataflow from a Kafka topic to another, through a crash."""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import bytewax.operators as op
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from dataflow.decode.batch import check_format, decode_batch
from dataflow.sink import open_sink
from dataflow.source import open_source
from tests.support.kafka_broker import broker, make_topic
from tests.support.kafka_messages import NOW, receive, send, settings_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("kafka") / "broker.log") as address:
        yield address


class CrashError(Exception):
    pass


def copy_flow(kafka: str, source: str, target: str, crash_after: int | None) -> Dataflow:
    settings = settings_for(f"kafka://{kafka}/{source}?tail=false", batch_rows=10)
    seen = 0

    def step(batch: pa.RecordBatch) -> tuple[str, pa.RecordBatch]:
        nonlocal seen
        seen += 1
        if seen == crash_after:
            raise CrashError
        events = decode_batch(batch, settings, now=NOW).events.drop_columns("masked")
        n = events.num_rows
        late = {"watermark": events["ts"], "late_by_us": pa.array([0] * n), "missed": pa.array(["[]"] * n)}
        for name, column in late.items():
            events = events.append_column(name, column)
        return "all", events

    flow = Dataflow("copy")
    opened = open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))
    rows = op.map("decode", op.input("source", flow, opened), step)
    op.output("sink", rows, open_sink(f"kafka://{kafka}/{target}", settings, stream="late"))
    return flow


@pytest.mark.parametrize("workers", [1, 2])
def test_through_a_dataflow_and_a_crash(kafka: str, tmp_path: Path, workers: int) -> None:
    source, target = make_topic(kafka, f"in{workers}"), make_topic(kafka, f"out{workers}")
    send(kafka, source, range(200))
    init_db_dir(tmp_path, 1)
    recovery = RecoveryConfig(str(tmp_path))

    def run(crash_after: int | None) -> None:
        cluster_main(
            copy_flow(kafka, source, target, crash_after),
            [],
            0,
            epoch_interval=timedelta(0),
            recovery_config=recovery,
            worker_count_per_proc=workers,
        )

    with pytest.raises((CrashError, RuntimeError)):
        run(crash_after=8)
    at_the_crash = len(receive(kafka, target))
    assert 0 < at_the_crash < 200
    run(crash_after=None)
    found = receive(kafka, target)
    assert len(found) < 200 + at_the_crash  # it went on, it did not begin again
    rows = dict(found)  # at least once: twice under one key at most
    assert sorted(row["attributes"]["n"] for row in rows.values()) == list(range(200))
    for key, row in rows.items():
        n = row["attributes"]["n"]
        assert (row["id"], row["key"]) == (f"{source}:{n % 2}:{n // 2}", f"k{n % 3}")
        assert json.loads(key) == [row["key"], row["id"]]
