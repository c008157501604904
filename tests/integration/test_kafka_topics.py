"""Several topics, and partitions that come while the flow runs.

The mock broker of librdkafka has right latest offsets, which the real broker has not, and makes a topic when
a message is sent to it. Neither broker can add partitions to a topic; tests/unit/source/kafka fakes that.
"""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from bytewax.recovery import init_db_dir
from confluent_kafka import Producer

from dataflow.decode.batch import check_format, decode_batch
from dataflow.errors import SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Registry, Settings, Source
from dataflow.source import open_source
from tests.support.flows import FLOW, environment, rows
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker, make_topic, mock_broker
from tests.support.kafka_messages import NOW, opened, read, send
from tests.support.paths import ROOT
from tests.support.processes import killed, wait_until
from tests.support.registry import framed, registry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("kafka") / "broker.log") as address:
        for topic in ("logs-a", "logs-b", "metrics"):
            make_topic(address, topic)
        yield address


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_broker() as address:
        yield address


def test_several_topics_and_an_expression(kafka: str) -> None:
    for number, topic in enumerate(("logs-a", "logs-b", "metrics")):
        send(kafka, topic, range(10 * number, 10 * number + 10))
    for path, parts, numbers in (
        ("metrics,logs-a", ["metrics:0", "metrics:1", "logs-a:0", "logs-a:1"], {*range(10), *range(20, 30)}),
        ("^logs-", ["logs-a:0", "logs-a:1", "logs-b:0", "logs-b:1"], set(range(20))),
        ("^.*s$", ["metrics:0", "metrics:1"], set(range(20, 30))),
    ):
        source = opened(f"kafka://{kafka}/{path}?tail=false")
        assert source.list_parts() == parts
        found = [row for part in parts for row in read(source.build_part("s", part, None))]
        assert {row["partition"] for row in found} == set(parts)
        assert sorted(json.loads(row["raw"])["n"] for row in found) == sorted(numbers)
        assert set(source.partitions_with_data()) == set(parts)


def test_a_topic_that_is_not_there_is_named(kafka: str) -> None:
    with pytest.raises(SourceError, match=r"no topic at .* matches '\^nothing'"):
        opened(f"kafka://{kafka}/^nothing")
    with pytest.raises(SourceError, match="topic 'nowhere'"):
        opened(f"kafka://{kafka}/metrics,nowhere")


def produce(address: str, topic: str, *values: str) -> None:
    producer = Producer(QUIET | {"bootstrap.servers": address})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(PATIENCE_S) == 0


def test_a_topic_that_comes_while_the_flow_runs_is_read_from_its_first_message(
    mock: str, tmp_path: Path
) -> None:
    """The records are no JSON, so each of them is a row at once."""
    produce(mock, "in-a", "before")
    init_db_dir(tmp_path, 1)
    dead = tmp_path / "dead.jsonl"
    env = environment(
        tmp_path,
        DRIFTLINE_SOURCE__URI=f"kafka://{mock}/^in-?start=latest",
        DRIFTLINE_KAFKA__DISCOVER_INTERVAL="200ms",
        DRIFTLINE_SINK__DEAD_LETTERS=f"file:{dead}",
    )
    command = [sys.executable, "-m", "bytewax.run", FLOW, "-r", str(tmp_path), "-s", "1", "-b", "0"]
    log = tmp_path / "log"

    def read_values() -> list[object]:
        return [row["raw"] for row in rows(dead)]

    with log.open("wb") as taken:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=taken)
        with killed([process]):
            wait_until(
                lambda: log.read_text().count("opened at") == 4, process
            )  # the mock makes 4 partitions
            produce(mock, "in-a", "first")
            wait_until(lambda: read_values() == ["first"], process)
            produce(mock, "in-b", *(f"new {n}" for n in range(20)))
            wait_until(lambda: len(read_values()) == 21, process)
            produce(mock, "in-a", "last")
            wait_until(lambda: len(read_values()) == 22, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
    said = log.read_text()
    assert "the source has new partitions: in-b:0, in-b:1, in-b:2, in-b:3; the dataflow starts again" in said
    assert said.count("driftline stops") == 2
    assert sorted(map(str, read_values())) == sorted(["first", "last", *(f"new {n}" for n in range(20))])


def test_the_lag_of_each_partition_is_what_is_not_read(mock: str) -> None:
    send(mock, "lag-a", range(30))
    send(mock, "lag-b", range(7), 1)
    source = opened(f"kafka://{mock}/lag-a,lag-b", batch_rows=4)
    parts = {name: source.build_part("s", name, None) for name in ("lag-a:0", "lag-a:1", "lag-b:0")}
    left = dict(zip(parts, (15, 15, 7), strict=True))
    while any(left.values()):
        for name, part in parts.items():
            for batch in part.next_batch():
                left[name] -= len(batch)
                assert part._lag.messages == left[name]
    for part in parts.values():
        part.close()


def test_the_end_of_a_transaction_is_no_lag(kafka: str) -> None:
    topic = make_topic(kafka, "transactions", 1)
    producer = Producer(QUIET | {"bootstrap.servers": kafka, "transactional.id": "test"})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    for number in range(3):
        producer.produce(topic, str(number), partition=0)
    producer.commit_transaction(PATIENCE_S)
    part = opened(f"kafka://{kafka}/{topic}").build_part("s", f"{topic}:0", None)
    wait_until(lambda: part.next_batch() == [] and part._lag.messages == 0)
    assert part.snapshot() == 3
    part.close()


def test_avro_comes_from_a_topic_to_an_event(kafka: str) -> None:
    topic = make_topic(kafka, "avro", 1)
    fields = [{"name": name, "type": "string"} for name in ("ts", "text")]
    schema = fastavro.parse_schema({"type": "record", "name": "Line", "fields": fields})
    payload = io.BytesIO()
    fastavro.schemaless_writer(payload, schema, {"ts": "2026-11-23T11:00:00Z", "text": "hello"})
    producer = Producer(QUIET | {"bootstrap.servers": kafka})
    producer.produce(topic, framed(3, payload.getvalue()))
    producer.produce(topic, b'{"text": "JSON"}')
    assert producer.flush(PATIENCE_S) == 0
    with registry() as server:
        server.schemas[3] = {"schema": json.dumps(schema)}
        uri = f"kafka://{kafka}/{topic}?tail=false&format=avro"
        settings = Settings(source=Source(uri=uri), registry=Registry(url=server.url))
        source = open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))
        part: Any = source.build_part("s", "avro:0", None)
        raw = pa.RecordBatch.from_pylist(read(part), raw_schema("avro"))
        decoded = decode_batch(raw, settings, now=NOW)
    assert decoded.events["text"].to_pylist() == ["hello"]
    assert decoded.dead_letters["offset"].to_pylist() == [1]
