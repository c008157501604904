"""Messages in and out of a Kafka topic, and the source that reads a topic."""

import json
from datetime import datetime, timezone
from functools import partial
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from dataflow.decode.batch import check_format
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import open_source
from tests.support.kafka_broker import PATIENCE_S, QUIET, Config

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
#: The timestamp of each message that :func:`send` sends.
SENT_MS = 1795431600123


def send(address: str, topic: str, numbers: range, partitions: int = 2) -> None:
    producer = Producer({"bootstrap.servers": address} | QUIET)
    for n in numbers:
        value = json.dumps({"ts": f"2026-11-23T11:00:00.{n:06}Z", "text": f"text {n}", "n": n})
        producer.produce(topic, value, key=f"k{n % 3}", partition=n % partitions, timestamp=SENT_MS)
    assert producer.flush(PATIENCE_S) == 0


def receive(address: str, topic: str, partitions: int = 2) -> list[tuple[str, Any]]:
    """Key and parsed value of each message of the topic, one partition after the other."""
    found = []
    for partition in range(partitions):
        config: Config = {"bootstrap.servers": address, "group.id": "test", "enable.partition.eof": True}
        consumer = Consumer(config | QUIET)
        consumer.assign([TopicPartition(topic, partition, 0)])
        while True:
            message = consumer.poll(PATIENCE_S)
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
    return open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))


def build(uri: str, part: str, state: int | None = None, **source: Any) -> Any:
    return opened(uri, **source).build_part("s", part, state)


def read(part: Any) -> list[dict[str, Any]]:
    """All rows to the end of the partition, which is then closed."""
    rows: list[dict[str, Any]] = []
    try:
        while True:
            for batch in part.next_batch():
                rows += batch.to_pylist()
    except StopIteration:
        return rows
    finally:
        part.close()
