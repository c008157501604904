"""Every sink as an example: its URI, what reads its rows, and a partition that is driven as Bytewax does."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.outputs import DynamicSink, FixedPartitionedSink
from confluent_kafka import Consumer, Producer, TopicPartition

from dataflow.sink import Stream, open_sink
from dataflow.sink.webhook.spool import Spool
from tests.support.delta_sinks import AT_EACH_SNAPSHOT
from tests.support.processes import wait_until
from tests.support.stream_rows import SCHEMAS, parsed
from tests.support.tables import appended
from tests.support.webhooks import Receiver

Make: TypeAlias = Callable[[Path], AbstractContextManager["Example"]]


@dataclass(frozen=True)
class Example:
    """A sink's URI, and what reads the rows that the sink wrote."""

    uri: str
    rows: Callable[[], list[Any]]
    #: The streams that the sink takes, what comes before an option, and what the end of a process does.
    streams: tuple[Stream, ...] = tuple(SCHEMAS)
    option: str = "?"
    kill: Callable[[Any], None] = lambda _: None
    #: The field that :func:`batch` numbers. A sink may keep one row of each identity.
    field: str | None = None
    #: Whether rows or their spool are written to a disk of this machine.
    local: bool = True
    #: A target that cannot be written, and how the error begins.
    bad: tuple[str, str] | None = None


def _file(folder: Path) -> Path:
    """A file where a sink would need a folder."""
    path = folder / "taken"
    path.touch()
    return path


@contextmanager
def json_lines(folder: Path) -> Iterator[Example]:
    path, bad = folder / "deep" / "rows.jsonl", _file(folder) / "rows.jsonl"
    yield Example(
        f"file:{path}",
        lambda: list(map(json.loads, path.read_bytes().splitlines())),
        bad=(f"file:{bad}", f"{bad}: cannot be written: "),
    )


@contextmanager
def parquet(folder: Path) -> Iterator[Example]:
    path, bad = folder / "rows.parquet", _file(folder) / "rows.parquet"
    yield Example(
        f"file:{path}",
        lambda: parsed(*pq.read_table(path).to_batches()) if any(path.iterdir()) else [],
        bad=(f"file:{bad}", f"{bad}: cannot be written: "),
    )


@contextmanager
def table(folder: Path) -> Iterator[Example]:
    bad = _file(folder)
    yield Example(
        f"delta:{folder}/table",
        lambda: parsed(*appended(folder / "table")),
        bad=(f"delta:{bad}/table", f"{bad}/table: {bad} is not a folder"),
    )


@contextmanager
def _standard(name: str, folder: Path) -> Iterator[Example]:
    path = folder / name
    with pytest.MonkeyPatch.context() as patch, path.open("w") as taken:
        patch.setattr(sys, name, taken)
        yield Example(f"{name}:", lambda: list(map(json.loads, path.read_bytes().splitlines())), local=False)


@contextmanager
def kafka(folder: Path) -> Iterator[Example]:
    """The brokers are librdkafka's own, within this process."""
    quiet = {"log_level": 0}
    producer = Producer(quiet | {"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    (broker,) = producer.list_topics(timeout=20).brokers.values()
    address = f"{broker.host}:{broker.port}"
    producer.produce("rows", b"makes the topic")
    assert producer.flush(20) == 0
    partitions = producer.list_topics("rows", timeout=20).topics["rows"].partitions

    def rows() -> list[Any]:
        consumer = Consumer(
            quiet | {"bootstrap.servers": address, "group.id": "g", "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition("rows", partition, 0) for partition in partitions])
        found, ended = [], 0
        while ended < len(partitions):
            for message in consumer.consume(100, timeout=0.1):
                ended += message.error() is not None
                found += [message] if message.error() is None else []
        consumer.close()
        ordered = sorted(found, key=lambda message: (message.timestamp()[1], message.offset()))
        return [json.loads(message.value() or b"") for message in ordered if message.key()]

    yield Example(
        f"kafka://{address}/rows", rows, local=False, bad=(f"kafka://{address}/", "kafka: URI: write ")
    )


@contextmanager
def webhook(folder: Path) -> Iterator[Example]:
    def rows() -> list[Any]:
        (path,) = Path("out/webhook").glob("*.sqlite")
        spool = Spool(path)
        wait_until(lambda: not spool.counts()["waiting"])
        spool.close()
        # A post is sent again if its end was not noted. The key of a post tells a receiver so.
        return [json.loads(body) for body in {post.key: post.body for post in receiver.taken}.values()]

    def kill(part: Any) -> None:
        part._delivery.stop(0)
        part._lock.close()

    with Receiver() as receiver:
        yield Example(
            receiver.uri,
            rows,
            ("alerts",),
            "#",
            kill,
            "sequence",
            bad=("http://", "sink.alerts=http://: write "),
        )


#: Scheme -> sinks of that scheme, each with what reads the rows.
EXAMPLES: dict[str, list[Make]] = {
    "stdout": [partial(_standard, "stdout")],
    "stderr": [partial(_standard, "stderr")],
    "file": [json_lines, parquet],
    "kafka": [kafka],
    "http": [webhook],
    "https": [],  # the same with TLS, which test_post.py tests
    "delta": [table],
}


class Written:
    """A sink's partition, however Bytewax drives the sink."""

    def __init__(self, uri: str, stream: Stream, state: Any = None) -> None:
        sink = open_sink(uri, AT_EACH_SNAPSHOT, stream=stream)
        self._part: Any
        self._keyed = isinstance(sink, DynamicSink)
        if isinstance(sink, DynamicSink):
            self._part = sink.build("s", 0, 1)
        else:
            assert isinstance(sink, FixedPartitionedSink)
            (name,) = sink.list_parts()
            self._part = sink.build_part("s", name, state)

    def write(self, *batches: pa.RecordBatch) -> None:
        self._part.write_batch([("key", each) for each in batches] if self._keyed else list(batches))

    def snapshot(self) -> Any:
        """The state; a sink without one has written all when ``write`` returns."""
        return None if self._keyed else self._part.snapshot()

    def close(self) -> None:
        self._part.close()
