"""Kafka in and out: on a real broker, and on librdkafka's mock where that one's latest offsets are wrong."""

import contextlib
import json
import math
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import REGISTRY

from dataflow.decode.batch import check_format, decode_batch
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Kafka, Settings
from dataflow.settings import Source as SourceSettings
from dataflow.sink import open_sink
from dataflow.source import open_source
from tests.support.kafka_broker import QUIET, Config, broker, make_topic

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SENT_MS = 1795431600123


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("kafka") / "broker.log") as address:
        yield address


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    """A broker whose latest offsets are right, but that knows nothing of topics that are not there."""
    producer = Producer({"test.mock.num.brokers": 1} | QUIET)
    (node,) = producer.list_topics(timeout=10).brokers.values()
    yield f"{node.host}:{node.port}"
    del producer


def send(address: str, topic: str, numbers: range, partitions: int = 2) -> None:
    producer = Producer({"bootstrap.servers": address} | QUIET)
    for n in numbers:
        value = json.dumps({"ts": f"2026-11-23T11:00:00.{n:06}Z", "text": f"text {n}", "n": n})
        producer.produce(topic, value, key=f"k{n % 3}", partition=n % partitions, timestamp=SENT_MS)
    assert producer.flush(30) == 0


def receive(address: str, topic: str, partitions: int = 2) -> list[tuple[str, Any]]:
    """Key and parsed value of each message from the topic's start to its end, a partition after another."""
    found = []
    for partition in range(partitions):
        config: Config = {"bootstrap.servers": address, "group.id": "test", "enable.partition.eof": True}
        consumer = Consumer(config | QUIET)
        consumer.assign([TopicPartition(topic, partition, 0)])
        while True:
            message = consumer.poll(20)
            assert message is not None
            if message.error():
                break
            found.append(((message.key() or b"").decode(), json.loads(message.value() or b"")))
        consumer.close()
    return found


def settings_for(uri: str, **source: Any) -> Settings:
    return Settings(source=SourceSettings(uri=uri, **source))


def opened(uri: str, **source: Any) -> Any:
    settings = settings_for(uri, **source)
    return open_source(settings, clock=lambda: NOW, check=partial(check_format, settings))


def build(uri: str, part: str, state: int | None = None, **source: Any) -> Any:
    return opened(uri, **source).build_part("s", part, state)


def read(part: Any) -> list[dict[str, Any]]:
    """All rows to the end; closes the partition."""
    rows: list[dict[str, Any]] = []
    try:
        while True:
            for batch in part.next_batch():
                rows += batch.to_pylist()
    except StopIteration:
        return rows
    finally:
        part.close()


def test_what_kafka_knows_is_passed_on(kafka: str) -> None:
    topic = make_topic(kafka, "known")
    send(kafka, topic, range(5))
    uri = f"kafka://{kafka}/{topic}?tail=false"
    assert opened(uri).list_parts() == ["known:0", "known:1"]
    rows = read(build(uri, "known:1"))
    assert [(r["partition"], r["offset"], r["message_key"]) for r in rows] == [
        ("known:1", 0, b"k1"),
        ("known:1", 1, b"k0"),
    ]
    assert json.loads(rows[1]["raw"])["n"] == 3
    assert {r["arrival"] for r in rows} == {NOW}
    assert {r["message_ts"] for r in rows} == {datetime.fromtimestamp(SENT_MS / 1000, timezone.utc)}


def test_a_resume_goes_on_with_the_next_message(kafka: str) -> None:
    topic = make_topic(kafka, "resumed", 1)
    send(kafka, topic, range(50), 1)
    uri = f"kafka://{kafka}/{topic}?tail=false"
    part = build(uri, "resumed:0", batch_rows=7)
    before: list[int] = []
    while len(before) < 20:
        before += [offset for batch in part.next_batch() for offset in batch["offset"].to_pylist()]
    state = part.snapshot()
    part.close()
    after = [row["offset"] for row in read(build(uri, "resumed:0", state))]
    assert before + after == list(range(50))


def test_a_tombstone_is_a_record_too(kafka: str) -> None:
    topic = make_topic(kafka, "tombs", 1)
    producer = Producer({"bootstrap.servers": kafka} | QUIET)
    producer.produce(topic, None, key="gone")
    assert producer.flush(30) == 0
    (row,) = read(build(f"kafka://{kafka}/{topic}?tail=false", "tombs:0"))
    assert (row["raw"], row["message_key"]) == (b"", b"gone")


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
        events = decode_batch(batch, settings, now=NOW).events
        n = events.num_rows
        late = {"watermark": events["ts"], "late_by_us": pa.array([0] * n), "missed": pa.array(["[]"] * n)}
        for name, column in late.items():
            events = events.append_column(name, column)
        return "all", events

    flow = Dataflow("copy")
    opened = open_source(settings, clock=lambda: NOW, check=partial(check_format, settings))
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


def test_no_such_topic(kafka: str) -> None:
    for open_it in (
        lambda: opened(f"kafka://{kafka}/nowhere"),
        lambda: open_sink(f"kafka://{kafka}/nowhere", Settings(), stream="late"),
    ):
        with pytest.raises(SourceError, match=r"kafka: topic 'nowhere' at 127\.0\.0\.1:.*: .*Unknown topic"):
            open_it()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.endpoints.kafka.TIMEOUT_S", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(
            SourceError, match=rf"kafka: no answer from 127\.0\.0\.1:{port} in 0\.5 s"
        ) as caught:
            opened(f"kafka://127.0.0.1:{port}/t")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "kafka_settings", "says"),
    [
        ("kafka://h:1", {}, "write kafka://host:port"),
        ("kafka:///t", {}, "write kafka://host:port"),
        ("kafka://h:1/a/b", {}, "write kafka://host:port"),
        ("kafka://h:1/t?start=now", {}, "must be one of earliest, latest"),
        ("kafka://h:1/t?format=csv", {}, "must be one of jsonl, text"),
        ("kafka://h:1/t?group=x", {}, "no such option 'group'; there are start, tail, format"),
        ("kafka://h:1/t", {"sasl_mechanism": "NONE", "security_protocol": "SASL_SSL"}, "Unsupported SASL"),
    ],
)  # fmt: skip
def test_mistakes_in_the_settings(uri: str, kafka_settings: dict[str, Any], says: str) -> None:
    settings = Settings(source=SourceSettings(uri=uri), kafka=Kafka(**kafka_settings))
    with pytest.raises(SettingsError, match=says) as caught:
        open_source(settings, clock=lambda: NOW, check=partial(check_format, settings))
    assert "\n" not in str(caught.value)


def test_what_was_not_read_yet_is_shown(mock: str) -> None:
    send(mock, "lag", range(10), 1)
    part = build(f"kafka://{mock}/lag?tail=false", "lag:0", batch_rows=4)
    left: list[float] = []
    with contextlib.suppress(StopIteration):
        while True:
            if part.next_batch():
                left.append(REGISTRY.get_sample_value("driftline_source_lag_messages") or 0)
    part.close()
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)
    assert left[0] >= 6
    del part
    assert math.isnan(REGISTRY.get_sample_value("driftline_source_lag_messages") or 0)


def test_start_at_the_end(mock: str) -> None:
    send(mock, "latest", range(4), 1)
    part = build(f"kafka://{mock}/latest?start=latest", "latest:0")
    assert part.snapshot() == 4  # a crash before the first message must not skip any
    send(mock, "latest", range(4, 6), 1)
    offsets: list[int] = []
    while len(offsets) < 2:
        offsets += [offset for batch in part.next_batch() for offset in batch["offset"].to_pylist()]
    part.close()
    assert offsets == [4, 5]
    assert len(read(build(f"kafka://{mock}/latest?tail=false", "latest:0"))) == 6


@pytest.mark.parametrize("which", ["kafka", "mock"])
def test_a_topic_made_anew_is_noticed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr("dataflow.source.kafka._LAST_MESSAGE_TIMEOUT_S", 1.0)
    address: str = request.getfixturevalue(which)
    if which == "kafka":
        make_topic(address, "anew", 1)
    send(address, "anew", range(3), 1)
    with pytest.raises(
        SourceError, match=r"anew:0: had been read up to offset 9, but .* the topic was made anew"
    ):
        build(f"kafka://{address}/anew", "anew:0", 9)
    assert read(build(f"kafka://{address}/anew?tail=false", "anew:0", 3)) == []
