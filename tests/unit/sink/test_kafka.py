"""Rows that brokers do not accept stop the flow. Fakes play the brokers, as no broker fails on demand."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import KafkaError

from dataflow.endpoints import kafka
from dataflow.errors import DriftlineError, OutageError, SettingsError, SourceError
from dataflow.items import schemas
from dataflow.items.formats import STREAM_FORMATS
from dataflow.settings import Settings
from dataflow.sink import Stream, open_sink
from dataflow.sink.encoding import subject_ids
from dataflow.sink.kafka import KafkaSink
from tests.support.stream_rows import SCHEMAS, batch

TOPIC = kafka.Topics(kafka.Wanted(("t",)), {"t": (0,)}, {})


class FakeProducer:
    """Its queue holds two messages; each is delivered with ``error``."""

    def __init__(self, error: int | None) -> None:
        self.error = None if error is None else KafkaError(error)
        self.waiting: list[Callable[[Any, Any], None]] = []
        self.sent: list[tuple[str, bytes, bytes]] = []

    def produce(
        self, topic: str, value: bytes, key: bytes, headers: Any, on_delivery: Callable[[Any, Any], None]
    ) -> None:
        if len(self.waiting) == 2:
            raise BufferError
        self.waiting.append(on_delivery)
        self.sent.append((topic, key, value))
        self.headers = headers

    def poll(self, timeout: float) -> None:
        while self.waiting:
            self.waiting.pop(0)(self.error, None)

    def flush(self) -> None:
        self.poll(0)


def dead(n: int) -> pa.RecordBatch:
    return schemas.dead_letters([("malformed", "m", "p", i, b"x") for i in range(n)])


def write(monkeypatch: pytest.MonkeyPatch, error: int | None, rows: int) -> FakeProducer:
    producer = FakeProducer(error)
    monkeypatch.setattr("confluent_kafka.Producer", lambda config: producer)
    KafkaSink(TOPIC, "dead_letters", {}).build("s", 0, 1).write_batch([("k", dead(rows))])
    return producer


def test_a_full_queue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = write(monkeypatch, None, 5)
    assert [key for _, key, _ in producer.sent] == [f'["p",{i}]'.encode() for i in range(5)]
    assert producer.waiting == []
    assert not producer.sent[0][2].endswith(b"\n")


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (KafkaError._MSG_TIMED_OUT, OutageError, "kafka: topic 't': "),
        (KafkaError.MSG_SIZE_TOO_LARGE, SourceError, "raise the topic's max.message.bytes"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, SourceError, "kafka: topic 't': "),
    ],
)
def test_what_is_not_delivered_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[DriftlineError], says: str, rows: int
) -> None:
    with pytest.raises(error) as caught:
        write(monkeypatch, code, rows)
    assert says in str(caught.value)


@pytest.mark.parametrize("stream", list(SCHEMAS))
def test_the_headers_name_the_stream_and_its_version(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> None:
    producer = FakeProducer(None)
    monkeypatch.setattr("confluent_kafka.Producer", lambda config: producer)
    KafkaSink(TOPIC, stream, {}).build("s", 0, 1).write_batch([("k", batch(stream, 1))])
    headers = dict(producer.headers)
    assert headers["content-type"] == b"application/json"
    assert headers["schema"] == f"driftline.{stream}".encode()
    assert int(headers["schema-version"]) == STREAM_FORMATS[stream]


@pytest.mark.parametrize(
    ("stream", "same", "other"),
    [
        ("scores", {"revision": 2}, {"id": "x"}),
        ("windows", {"revision": 2}, {"key": "x"}),
        ("drift", {"revision": 2}, {"key": "x"}),
        ("alerts", {"sequence": 2, "state": "closed"}, {"incident": "x"}),
        ("late", {"text": "x"}, {"id": "x"}),
        ("dead_letters", {"reason": "x"}, {"offset": 99}),
    ],
)
def test_all_versions_of_a_row_have_one_key(
    stream: Stream, same: dict[str, object], other: dict[str, object]
) -> None:
    """Messages with one key are on one partition, in their order."""
    row = batch(stream, 1).to_pylist()[0]
    rows = pa.RecordBatch.from_pylist([row, row | same, row | other], SCHEMAS[stream])
    first, second, third = subject_ids(rows, stream)
    assert first == second != third


@pytest.mark.parametrize("uri", ["kafka://h:1/a,b", "kafka://h:1/^a"])
def test_a_sink_has_one_topic(uri: str) -> None:
    with pytest.raises(SettingsError, match="a sink writes to one topic"):
        open_sink(uri, Settings(), stream="late")


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(SettingsError, match="compression=zip: must be one of none, gzip, snappy, lz4, zstd"):
        open_sink("kafka://h:1/a?compression=zip", Settings(), stream="late")


@pytest.mark.parametrize(
    ("options", "says"),
    [({"compression.type": "zip"}, "compression.codec"), ({"linger.msx": "1"}, "linger.msx")],
)
def test_a_setting_that_librdkafka_refuses_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], says: str
) -> None:
    topics = kafka.Topics(TOPIC.wanted, TOPIC.partitions, options)
    monkeypatch.setattr("dataflow.endpoints.kafka.find_topics", lambda settings, uri: topics)
    with pytest.raises(SettingsError, match=says) as caught:
        open_sink("kafka://h:1/t", Settings(), stream="late")
    assert "\n" not in str(caught.value)
