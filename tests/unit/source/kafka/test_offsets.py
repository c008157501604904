"""Where a partition begins to be read."""

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from confluent_kafka import KafkaError

from dataflow.endpoints import kafka
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import raw_schema
from dataflow.settings import Settings
from dataflow.source.kafka import KafkaSource
from dataflow.source.kafka.messages import Messages
from dataflow.source.kafka.offsets import EARLIEST, Start, first_offset, parse_start
from tests.support.kafka_fakes import FakeConsumer

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
NOON_MS = 1795435200000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", EARLIEST),
        ("?start=earliest", EARLIEST),
        ("?start=latest", Start(latest=True)),
        ("?start=2026-11-23T12:00:00Z", Start(since_ms=NOON_MS)),
        ("?start=2026-11-23T13:00:00%2B01:00", Start(since_ms=NOON_MS)),
        ("?start=2026-11-23T12:00", Start(since_ms=NOON_MS)),
        ("?start=2026-11-23T12:00:00.001Z", Start(since_ms=NOON_MS + 1)),
    ],
)
def test_what_start_means(text: str, start: Start) -> None:
    assert parse_start(parse_uri(f"kafka://h:1/t{text}")) == start


@pytest.mark.parametrize("text", ["", "now", "2026-11-31", "17"])
def test_another_start_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="must be earliest, latest, or a time as in"):
        parse_start(parse_uri(f"kafka://h:1/t?start={text}"))


def first(consumer: FakeConsumer, start: Start, state: int | None = None) -> int:
    return first_offset(consumer, kafka.position("t:0"), start, state)


def test_a_time_means_the_first_message_that_is_as_late() -> None:
    stamps = {40 + n: NOON_MS + stamp for n, stamp in enumerate((0, 10, 5, 20))}
    consumer = FakeConsumer(watermarks=(40, 44), stamps=stamps)
    for since in range(-5, 25):
        expected = [offset for offset, stamp in stamps.items() if stamp >= NOON_MS + since]
        assert first(consumer, Start(since_ms=NOON_MS + since)) == min(expected, default=44)


def test_brokers_that_give_no_offsets_end_the_start() -> None:
    consumer = FakeConsumer()
    consumer.errors = [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    with pytest.raises(SourceError, match="t:0: the brokers gave no offsets: "):
        first(consumer, Start(since_ms=NOON_MS))


@pytest.mark.parametrize("start", [EARLIEST, Start(latest=True), Start(since_ms=NOON_MS)])
def test_a_snapshot_wins_over_the_start(start: Start) -> None:
    assert first(FakeConsumer(watermarks=(40, 100)), start, state=70) == 70


def test_what_retention_took_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert first(FakeConsumer(watermarks=(40, 100)), EARLIEST, state=25) == 40
    assert "t:0: retention deleted offsets 25 to 39 before they were read" in caplog.text


def source(monkeypatch: pytest.MonkeyPatch, start: Start) -> Any:
    monkeypatch.setattr("confluent_kafka.Consumer", lambda config: FakeConsumer(watermarks=(40, 100)))
    topics = kafka.Topics(kafka.Wanted(("t", "u")), {"t": (0, 1), "u": (0,)}, {})
    messages = Messages(raw_schema("jsonl"), lambda: NOW, (), skip_tombstones=True)
    return KafkaSource(Settings(), topics, messages, start=start, tail=True)


@pytest.mark.parametrize("start", [Start(latest=True), Start(since_ms=NOON_MS)])
def test_a_partition_that_was_added_is_read_from_its_first_message(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    opened = source(monkeypatch, start)
    assert [opened.build_part("s", part, None).snapshot() for part in opened.list_parts()] == [100, 100, 100]
    assert opened.partitions_with_data() == []
    opened.resume(frozenset({"t:0"}))
    assert [opened.build_part("s", part, None).snapshot() for part in opened.list_parts()] == [100, 40, 40]
    assert opened.partitions_with_data() == ["t:1", "u:0"]


def test_on_an_empty_store_all_partitions_begin_as_the_uri_says(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = source(monkeypatch, Start(latest=True))
    opened.resume(frozenset())
    assert [opened.build_part("s", part, None).snapshot() for part in opened.list_parts()] == [100, 100, 100]


def test_the_interval_of_the_discovery_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[timedelta, Any]] = []

    class Noted:
        def __init__(self, topics: kafka.Topics, interval: timedelta, added: Any) -> None:
            asked.append((interval, added))

        def start(self) -> None: ...

    monkeypatch.setattr("dataflow.source.kafka.Discovery", Noted)
    source(monkeypatch, EARLIEST).watch_partitions(print)
    assert asked == [(Settings().kafka.discover_interval, print)]
