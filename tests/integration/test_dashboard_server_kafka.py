"""The page follows topics of a real broker."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from dataflow.sink.kafka import headers_of
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker, make_topic
from tests.support.page import Row, alert, opened, scored
from tests.support.ports import free_port
from tests.support.processes import wait_until

pytestmark = pytest.mark.integration


def send(
    address: str, topic: str, rows: Iterable[Row], headers: list[tuple[str, bytes]] | None = None
) -> None:
    producer = Producer(QUIET | {"bootstrap.servers": address})
    for row in rows:
        more: dict[str, Any] = {"headers": headers} if headers else {}
        producer.produce(topic, json.dumps(row).encode(), row["key"], **more)
    assert producer.flush(PATIENCE_S) == 0


def test_topics_are_followed(tmp_path: Path) -> None:
    with broker(tmp_path / "broker.log") as address:
        for name in ("scores", "mixed"):
            make_topic(address, name)
        send(
            address,
            "scores",
            (scored(event, key=f"k{event % 5}") for event in range(3000)),
            headers_of("scores"),
        )
        send(address, "mixed", [alert("i1")], headers_of("alerts"))
        send(
            address,
            "mixed",
            [alert("i2", format=9)],
            [("schema", b"driftline.alerts"), ("schema-version", b"9")],
        )
        uris = [f"kafka://{address}/scores", f"kafka://{address}/mixed"]
        with opened(*uris) as client:
            client.loaded(3000)
            assert [each["total"] for each in [client.json("rows", key="k1", limit=0)]] == [600]
            wait_until(lambda: client.json("incidents")["total"] == 1)
            wait_until(lambda: client.json("state")["streams"][1]["state"] == "too old")
            assert "version 9" in client.json("state")["streams"][1]["message"]
            send(address, "scores", (scored(event, key="k1") for event in range(3000, 3100)))
            wait_until(lambda: client.json("state")["rows"] == 3100)
            # At least once: rows that come again are not doubled.
            send(address, "scores", (scored(event, key="k1", revision=0) for event in range(3000, 3200)))
            wait_until(lambda: client.json("state")["rows"] == 3200)


def test_only_the_newest_messages_of_a_long_topic_are_read(tmp_path: Path) -> None:
    with broker(tmp_path / "broker.log") as address:
        make_topic(address, "scores", partitions=1)
        send(address, "scores", (scored(event) for event in range(5000)))
        with opened(f"kafka://{address}/scores", most=1500) as client:
            client.loaded(1500)
            found = client.json("rows", sort="ts", order="asc", limit=1)["rows"]
            assert found[0]["id"] == "e3500"
            # A broker may send whole batches, whose first messages are older.
            assert client.json("state")["streams"][0]["rows"] < 5000


def test_a_broker_that_comes_later(tmp_path: Path) -> None:
    port = free_port()
    with opened(f"kafka://127.0.0.1:{port}/scores") as client:
        wait_until(lambda: client.json("state")["streams"][0]["state"] == "broken")
        assert f"127.0.0.1:{port}" in client.json("state")["streams"][0]["message"]
        with broker(tmp_path / "broker.log", port) as address:
            make_topic(address, "scores")
            send(address, "scores", [scored(1)])
            wait_until(lambda: client.json("state")["rows"] == 1)
            assert client.json("state")["streams"][0]["state"] in ("live", "loading")
