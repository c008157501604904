"""Errors of Kafka: some end by themselves, some end the flow. Fakes play the brokers."""

from datetime import datetime, timezone
from typing import Any

import pytest
from confluent_kafka import KafkaError
from prometheus_client import REGISTRY

from dataflow.endpoints import kafka
from dataflow.errors import SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings, Source
from dataflow.source.kafka import KafkaSource
from dataflow.source.kafka.messages import Messages
from dataflow.source.kafka.offsets import EARLIEST
from dataflow.source.waiting import AT_ONCE
from tests.support.kafka_fakes import FakeConsumer, Message

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


TOPIC = kafka.Topics(kafka.Wanted(("t",)), {"t": (0,)}, {})


def part(
    monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer, state: int | None = None, **source: int
) -> Any:
    def build(config: dict[str, Any]) -> FakeConsumer:
        consumer.config = config
        return consumer

    monkeypatch.setattr("confluent_kafka.Consumer", build)
    settings = Settings(source=Source.model_validate(source))
    messages = Messages(raw_schema("jsonl"), lambda: NOW, (), skip_tombstones=True)
    opened = KafkaSource(settings, TOPIC, messages, start=EARLIEST, tail=False)
    return opened.build_part("s", "t:0", state)


def test_a_transient_error_is_neither_data_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    down = Message(error=KafkaError._ALL_BROKERS_DOWN)
    source = part(monkeypatch, FakeConsumer([[Message(5), down, Message(6)], [down], [Message(7)]]))
    (batch,) = source.next_batch()
    assert batch["offset"].to_pylist() == [5, 6]
    assert batch["message_ts"].to_pylist() == [None, None]
    assert source.next_batch() == []
    assert source.snapshot() == 7
    assert source.next_awake() == AT_ONCE
    assert source.next_batch()[0]["offset"].to_pylist() == [7]
    assert source.snapshot() == 8


def test_the_messages_before_the_end_are_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Message(error=KafkaError._PARTITION_EOF)
    source = part(monkeypatch, FakeConsumer([[Message(0), end]]))
    assert source.next_batch()[0]["offset"].to_pylist() == [0]
    with pytest.raises(StopIteration):
        source.next_batch()


def test_large_messages_come_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    large = [Message(offset, value=b"x" * 1000) for offset in range(5)]
    consumer = FakeConsumer([large, [Message(error=KafkaError._PARTITION_EOF)]])
    source = part(monkeypatch, consumer, batch_bytes=2048)
    assert consumer.config["queued.max.messages.kbytes"] == 2
    batches = [source.next_batch() for _ in range(2)]
    assert source.snapshot() == 4
    batches.append(source.next_batch())
    assert [batch["offset"].to_pylist() for (batch,) in batches] == [[0, 1], [2, 3], [4]]
    with pytest.raises(StopIteration):
        source.next_batch()


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_permanent_error_ends_it(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(SourceError, match="t:0: "):
        part(monkeypatch, FakeConsumer([[Message(error=code)]])).next_batch()


def test_a_tombstone_is_skipped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("driftline_tombstones_total") or 0

    before = count()
    batches = [[Message(0), Message(1, value=None), Message(2)], [Message(3, value=None)]]
    source = part(monkeypatch, FakeConsumer(batches))
    assert source.next_batch()[0]["offset"].to_pylist() == [0, 2]
    assert source.next_batch() == []
    assert source.snapshot() == 4  # a restart does not read and count it again
    assert count() == before + 2
