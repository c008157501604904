"""Partitions that are added while the flow runs. A fake plays the brokers: no test broker can add any."""

import re
from datetime import timedelta

import pytest
from confluent_kafka import KafkaError

from dataflow.endpoints import kafka
from dataflow.source.kafka.discovery import Discovery
from tests.support.kafka_fakes import FakeConsumer


def discovery(
    monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer, wanted: kafka.Wanted, known: dict[str, int]
) -> tuple[Discovery, list[list[str]]]:
    monkeypatch.setattr("confluent_kafka.Consumer", lambda config: consumer)
    topics = kafka.Topics(wanted, {name: tuple(range(count)) for name, count in known.items()}, {})
    found: list[list[str]] = []
    return Discovery(topics, timedelta(milliseconds=1), found.append), found


def test_new_partitions_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(topics={"t": 2, "u": 1, "other": 5})
    asking, found = discovery(monkeypatch, consumer, kafka.Wanted(("t", "u")), {"t": 2, "u": 1})
    asking.ask()
    assert found == []
    consumer.topics = {"t": 4, "u": 1, "other": 6}
    asking.ask()
    asking.ask()
    assert found == [["t:2", "t:3"]]
    consumer.topics = {"t": 4, "u": 2}
    asking.ask()
    assert found[1:] == [["u:1"]]


def test_new_topics_of_an_expression_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(topics={"logs-a": 1, "logs-b": 2, "__logs-c": 1, "my-logs-d": 1})
    for pattern, expected in (("^logs-", ["logs-b:0", "logs-b:1"]), ("^.*logs", None)):
        asking, found = discovery(monkeypatch, consumer, kafka.Wanted((), re.compile(pattern)), {"logs-a": 1})
        asking.ask()
        assert found == [expected or ["logs-b:0", "logs-b:1", "my-logs-d:0"]]


def test_brokers_that_do_not_answer_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer(topics={"t": 1})
    asking, found = discovery(monkeypatch, consumer, kafka.Wanted(("t", "gone")), {"t": 1, "gone": 1})
    consumer.errors = [KafkaError._TRANSPORT]
    asking.ask()
    asking.ask()  # the topic `gone` is an error now, and its partitions are not new
    assert found == []
    consumer.topics = {"t": 2}
    asking.ask()
    assert found == [["t:1"]]


class EndError(Exception):
    pass


def test_the_brokers_are_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, found = discovery(monkeypatch, FakeConsumer(topics={"t": 2}), kafka.Wanted(("t",)), {"t": 1})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise EndError

    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(EndError):
        asking._run()
    assert slept == [0.001] * 3
    assert found == [["t:1"]]
