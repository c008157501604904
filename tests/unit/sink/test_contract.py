"""What every sink must do. A new sink in ``SINKS`` needs one line in ``EXAMPLES``."""

import json
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bytewax.outputs import DynamicSink, FixedPartitionedSink
from confluent_kafka import Consumer, Producer, TopicPartition

from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.sink import SINKS, Stream, open_sink
from dataflow.sink.webhook.spool import Spool
from tests.support.delta_sinks import AT_EACH_SNAPSHOT
from tests.support.processes import wait_until
from tests.support.stream_rows import SCHEMAS, batch, parsed
from tests.support.tables import appended
from tests.support.webhooks import Receiver


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
        return [json.loads(post.body) for post in receiver.taken]

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
EXAMPLES: dict[str, list["Make"]] = {
    "stdout": [partial(_standard, "stdout")],
    "stderr": [partial(_standard, "stderr")],
    "file": [json_lines, parquet],
    "kafka": [kafka],
    "http": [webhook],
    "https": [],  # the same with TLS, which test_post.py tests
    "delta": [table],
}


def test_every_sink_and_every_stream_has_an_example() -> None:
    assert set(EXAMPLES) == set(SINKS)
    assert set(SCHEMAS) == set(get_args(Stream))


Make: TypeAlias = Callable[[Path], AbstractContextManager[Example]]
each_example = pytest.mark.parametrize("make", [make for makes in EXAMPLES.values() for make in makes])


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


@each_example
@pytest.mark.parametrize("stream", list(SCHEMAS))
def test_every_row_of_every_stream_is_written_in_order(make: Make, stream: Stream, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if stream not in example.streams:
            with pytest.raises(SettingsError, match=f"sink.{stream}="):
                open_sink(example.uri, Settings(), stream=stream)
            return
        numbers = [(1, 2), (3,), (4, 5, 6)]
        batches = [batch(stream, *each, field=example.field) for each in numbers]
        batches[-1] = batches[-1].slice(1)
        sink = Written(example.uri, stream)
        sink.write(*batches)
        sink.snapshot()
        assert example.rows() == parsed(*batches)
        sink.close()


@each_example
def test_an_empty_batch_writes_nothing(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        stream = example.streams[0]
        sink = Written(example.uri, stream)
        sink.write(batch(stream, 1).slice(1))
        sink.snapshot()
        assert example.rows() == []
        sink.close()


@each_example
def test_rows_before_a_snapshot_survive_a_crash_and_rows_after_it_come_again(
    make: Make, tmp_path: Path
) -> None:
    with make(tmp_path) as example:
        stream = example.streams[0]
        kept, lost, later = (batch(stream, *each, field=example.field) for each in [(1, 2), (3,), (4,)])
        sink = Written(example.uri, stream)
        sink.write(kept)
        state = sink.snapshot()
        sink.write(lost)
        example.kill(sink._part)
        resumed = Written(example.uri, stream, state)
        resumed.write(lost, later)
        resumed.snapshot()
        written = example.rows()
        assert [row for row in written if row in parsed(kept)] == parsed(kept)  # written once
        assert written[-2:] == parsed(lost, later)
        resumed.close()
        with suppress(SourceError):  # the sink that was killed may no longer write
            sink.close()


@each_example
def test_an_option_that_the_sink_does_not_know_is_refused_in_one_line(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        with pytest.raises(SettingsError, match="pigeon") as caught:
            open_sink(f"{example.uri}{example.option}pigeon=1", Settings(), stream=example.streams[0])
        assert "\n" not in str(caught.value)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond 100 bytes within the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@each_example
def test_a_full_disk_is_one_line_and_no_row_is_lost(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if not example.local:
            return
        stream = example.streams[0]
        kept, later = (batch(stream, *each, field=example.field) for each in [(1, 2), (3, 4, 5)])
        sink = Written(example.uri, stream)
        sink.write(kept)
        state = sink.snapshot()
        with full_disk(), pytest.raises(SourceError) as caught:  # noqa: PT012  (a sink may write at either)
            sink.write(later)
            sink.snapshot()
        assert "\n" not in str(caught.value)
        example.kill(sink._part)
        with suppress(SourceError):
            sink.close()
        resumed = Written(example.uri, stream, state)
        resumed.write(later)
        resumed.snapshot()
        assert example.rows() == parsed(kept, later)
        resumed.close()


@each_example
def test_a_target_that_cannot_be_written_is_one_line(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as example:
        if example.bad is None:
            return
        stream = example.streams[0]
        uri, beginning = example.bad
        with pytest.raises((SettingsError, SourceError), match=f"^{re.escape(beginning)}") as caught:
            open_sink(uri, Settings(), stream=stream)
        assert "\n" not in str(caught.value)
