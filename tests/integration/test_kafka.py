"""The Kafka source and sink on a real broker, and on librdkafka's mock broker where the real one is wrong.

The latest offsets of the real broker (tansu) are wrong.
"""

import contextlib
import json
import math
import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from dataflow.decode.batch import check_format
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Kafka, Settings
from dataflow.settings import Source as SourceSettings
from dataflow.sink import open_sink
from dataflow.source import lag, open_source
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker, make_topic, mock_broker
from tests.support.kafka_messages import NOW, SENT_MS, build, opened, read, send

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with broker(tmp_path_factory.mktemp("kafka") / "broker.log") as address:
        yield address


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_broker() as address:
        yield address


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
    assert producer.flush(PATIENCE_S) == 0
    (row,) = read(build(f"kafka://{kafka}/{topic}?tail=false&tombstones=dead_letter", "tombs:0"))
    assert (row["raw"], row["message_key"]) == (b"", b"gone")


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
        ("kafka://h:1/t?start=now", {}, "must be earliest, latest, or a time"),
        ("kafka://h:1/t?format=csv", {}, "must be one of jsonl, text"),
        ("kafka://h:1/t?group=x", {}, "no such option 'group'; there are start, tail, format, tombstones"),
        ("kafka://h:1/t", {"sasl_mechanism": "NONE", "security_protocol": "SASL_SSL"}, "Unsupported SASL"),
    ],
)  # fmt: skip
def test_mistakes_in_the_settings(uri: str, kafka_settings: dict[str, Any], says: str) -> None:
    settings = Settings(source=SourceSettings(uri=uri), kafka=Kafka(**kafka_settings))
    with pytest.raises(SettingsError, match=says) as caught:
        open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))
    assert "\n" not in str(caught.value)


def test_what_was_not_read_yet_is_shown(mock: str) -> None:
    lag.show()
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
    monkeypatch.setattr("dataflow.source.kafka.offsets._LAST_MESSAGE_TIMEOUT_S", 2.0)
    address: str = request.getfixturevalue(which)
    if which == "kafka":
        make_topic(address, "anew", 1)
    send(address, "anew", range(3), 1)
    with pytest.raises(
        SourceError, match=r"anew:0: was read up to offset 9 before, .* deleted and created again"
    ):
        build(f"kafka://{address}/anew", "anew:0", 9)
    assert read(build(f"kafka://{address}/anew?tail=false", "anew:0", 3)) == []
