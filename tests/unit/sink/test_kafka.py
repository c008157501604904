"""Rows that brokers do not accept stop the flow. Fakes play the brokers, as no broker fails on demand."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import KafkaError

from dataflow.endpoints import kafka
from dataflow.errors import DriftlineError, OutageError, SourceError
from dataflow.items import schemas
from dataflow.sink.kafka import KafkaSink

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
