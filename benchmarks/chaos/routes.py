"""The routes of the delivery proof: what they read, what they write, and what is there in the end."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from deltalake import DeltaTable, write_deltalake

from benchmarks.chaos.plan import BEHIND_A_PROXY, Rotation, Route
from benchmarks.chaos.stream import FIELDS, Record
from benchmarks.chaos.tally import Output, Row, canonical
from benchmarks.kit.proxy import Proxy
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker, make_topic
from tests.support.kafka_messages import receive
from tests.support.object_store import ObjectStore, object_store
from tests.support.ports import free_port
from tests.support.rotated_logs import RotatedLog

#: How long the dataflow waits for a broker or for Triton before it ends with an error.
GIVES_UP_S = 5
Settings = dict[str, str]


class Place(ABC):
    """Where a route reads and writes. ``run`` is ``chaos`` or ``calm``: each has sinks of its own."""

    proxy: Proxy | None = None
    #: Whether records can be appended while the server behind the proxy has a fault.
    writes_directly = True

    @abstractmethod
    def append(self, records: Sequence[Record]) -> None:
        """Append records to the source."""

    def rotate(self, how: Rotation) -> None:
        """Rotate the source; ``how`` is empty for a source that cannot be rotated."""
        assert not how

    @abstractmethod
    def settings(self, run: str, disk: Path, *, end: bool) -> Settings:
        """The settings of the source and of the sinks; ``disk`` is for files. ``end``: the source ends."""

    @abstractmethod
    def outputs(self, run: str, disk: Path) -> list[Output]:
        """What the sinks have: the first output with the stream ``scores`` or ``late`` has all its rows."""


class Kafka(Place):
    """A topic to topics. All clients reach the broker through a proxy."""

    writes_directly = False
    streams = ("scores", "late", "dead_letters", "alerts")

    def __init__(self, address: str, proxy: Proxy) -> None:
        self.proxy, self._address = proxy, address
        for topic in ("in", *(f"{run}-{stream}" for run in ("chaos", "calm") for stream in self.streams)):
            make_topic(address, topic, 1)
        self._producer = Producer({"bootstrap.servers": address} | QUIET)

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self._producer.produce("in", json.dumps(record.fields), key=record.service)
        assert self._producer.flush(PATIENCE_S) == 0

    def settings(self, run: str, disk: Path, *, end: bool) -> Settings:
        wait_ms = str(GIVES_UP_S * 1000)
        options = {
            "delivery.timeout.ms": wait_ms,
            "socket.timeout.ms": "3000",
            "request.timeout.ms": "3000",
            "reconnect.backoff.max.ms": "500",
        }
        return {
            "SOURCE__URI": f"kafka://{self._address}/in?tail={str(not end).lower()}",
            "KAFKA__OPTIONS": json.dumps(options),
            **{
                f"SINK__{stream.upper()}": f"kafka://{self._address}/{run}-{stream}"
                for stream in self.streams
            },
        }

    def outputs(self, run: str, disk: Path) -> list[Output]:
        return [
            Output(
                stream,
                [row for _, row in receive(self._address, f"{run}-{stream}", 1)],
                once=False,
                sink="Kafka",
            )
            for stream in self.streams
        ]


class Delta(Place):
    """A table to tables. Those in the object store are reached through a proxy, others are in a folder."""

    def __init__(self, store: ObjectStore, proxy: Proxy) -> None:
        self._store, self.proxy = store, proxy
        self.append([])  # so that there is a table when the dataflow starts

    def append(self, records: Sequence[Record]) -> None:
        type = pa.schema([(name, pa.string()) for name in FIELDS])
        rows = pa.Table.from_pylist([record.fields for record in records], type)
        write_deltalake("s3://bucket/in", rows, mode="append", storage_options=self._store.options)

    def settings(self, run: str, disk: Path, *, end: bool) -> Settings:
        assert self.proxy
        reached = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.proxy.port}", "timeout": "2s"}
        return {
            "SOURCE__URI": f"delta:s3://bucket/in?tail={str(not end).lower()}",
            "DELTA__STORAGE_OPTIONS": json.dumps(self._store.options | reached),
            "DELTA__APPEND_EVERY": "2s",
            "SINK__SCORES": f"delta:s3://bucket/{run}/scores delta:{disk}/scores",
            "SINK__LATE": f"delta:s3://bucket/{run}/late",
            "SINK__DEAD_LETTERS": f"delta:{disk}/dead",
            "SINK__ALERTS": f"delta:{disk}/alerts",
        }

    def outputs(self, run: str, disk: Path) -> list[Output]:
        places = [
            ("scores", f"s3://bucket/{run}/scores"),
            ("scores", f"{disk}/scores"),
            ("late", f"s3://bucket/{run}/late"),
            ("dead_letters", f"{disk}/dead"),
            ("alerts", f"{disk}/alerts"),
        ]
        return [
            Output(stream, self._rows(url), once=True, sink="Delta, S3" if "://" in url else "Delta, folder")
            for stream, url in places
        ]

    def _rows(self, url: str) -> list[Row]:
        options = self._store.options if url.startswith("s3:") else None
        return [
            canonical(row) for row in DeltaTable(url, storage_options=options).to_pyarrow_table().to_pylist()
        ]


class Files(Place):
    """A log that grows and is rotated, to Parquet and JSON lines."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = RotatedLog(folder / "app.jsonl")
        self._log.write(b"")

    def append(self, records: Sequence[Record]) -> None:
        lines = "".join(json.dumps(record.fields) + "\n" for record in records)
        self._log.write(lines.encode())

    def rotate(self, how: Rotation) -> None:
        if how == "rename":
            self._log.rename()
        elif how:
            self._log.copy_and_truncate()

    def settings(self, run: str, disk: Path, *, end: bool) -> Settings:
        return {
            "SOURCE__URI": f"tail:{self._log.path}*?follow={str(not end).lower()}",
            "SINK__SCORES": f"file:{disk}/scores.parquet",
            "SINK__ALERTS": f"file:{disk}/alerts.parquet",
            "SINK__LATE": f"file:{disk}/late.jsonl",
            "SINK__DEAD_LETTERS": f"file:{disk}/dead.jsonl",
        }

    def outputs(self, run: str, disk: Path) -> list[Output]:
        lines = {"late": disk / "late.jsonl", "dead_letters": disk / "dead.jsonl"}
        parquet = {stream: disk / f"{stream}.parquet" for stream in ("scores", "alerts")}
        return [
            *(Output(stream, _parquet(path), True, "Parquet") for stream, path in parquet.items()),
            *(Output(stream, _lines(path), True, "JSON lines") for stream, path in lines.items()),
        ]


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _parquet(folder: Path) -> list[Row]:
    files = sorted(folder.glob("*.parquet"))
    return [canonical(row) for path in files for row in pq.read_table(path).to_pylist()]


@contextmanager
def open_place(route: Route, folder: Path) -> Iterator[Place]:
    """The servers and folders of ``route``; ``folder`` must exist."""
    with ExitStack() as stack:
        if route == "files":
            yield Files(folder / "log")
            return
        proxy = stack.enter_context(Proxy())
        if route == "kafka":
            port = free_port()
            proxy.target = port
            stack.enter_context(broker(folder / "broker.log", port, proxy.port))
            yield Kafka(f"127.0.0.1:{proxy.port}", proxy)
        else:
            store = stack.enter_context(object_store())
            proxy.target = int(store.url.rpartition(":")[2])
            yield Delta(store, proxy)


def inherited() -> Settings:
    """The environment of this process without settings, and without the measurement of coverage."""
    ours = ("DRIFTLINE_", "BYTEWAX_", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def can_write(place: Place, kind: str) -> bool:
    """Whether records can be appended while a fault of this kind lasts."""
    return place.writes_directly or not kind.startswith(tuple(BEHIND_A_PROXY.values()))


def of_webhook(posts: Sequence[Any]) -> Output:
    """The changes that a receiver took."""
    return Output("alerts", [json.loads(post.body) for post in posts], once=False, sink="webhook")
