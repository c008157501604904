"""What every source must do. A new source in ``SOURCES`` needs one line in ``EXAMPLES``."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from bytewax.inputs import FixedPartitionedSource
from confluent_kafka import Producer
from deltalake import write_deltalake

from dataflow.clock import micros
from dataflow.errors import SettingsError
from dataflow.items.schemas import RAW
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import SOURCES, open_source, partitions_with_data
from dataflow.source.dead_letters.selection import Record, Selection

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
BATCH_ROWS, BATCH_BYTES = 3, 60
RECORDS = [b'{"text": "%d"}' % number for number in range(20)]
LONG = b'{"text": "%s"}' % (b"x" * 2 * BATCH_BYTES)
Read = tuple[str, int, bytes]
Opened = FixedPartitionedSource[pa.RecordBatch, Any]
Partitions = dict[str, tuple[list[pa.RecordBatch], Any]]


@contextmanager
def files(folder: Path) -> Iterator[str]:
    (folder / "a.jsonl").write_bytes(b"\n".join([*RECORDS, LONG]))
    (folder / "b.jsonl").write_bytes(b"\n".join(RECORDS))
    (folder / "empty.jsonl").touch()
    yield f"file:{folder}/*.jsonl"


@contextmanager
def following(folder: Path) -> Iterator[str]:
    with files(folder):
        yield f"tail:{folder}?follow=false"


@contextmanager
def standard_input(folder: Path) -> Iterator[str]:
    read, write = os.pipe()
    os.write(write, b"\n".join([*RECORDS, LONG]))
    os.close(write)
    before = os.dup(0)
    os.dup2(read, 0)
    try:
        yield "stdin:"
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(read)


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """The brokers are librdkafka's own, within this process."""
    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = producer.list_topics(timeout=20).brokers.values()
    for number, record in enumerate([*RECORDS, LONG]):
        producer.produce("events", record, partition=number % 2)
    assert producer.flush(20) == 0
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers).join(
        ("kafka://", "/events?tail=false")
    )


@contextmanager
def table(folder: Path) -> Iterator[str]:
    """Two versions; records of all lengths."""
    rows = [json.loads(record) | {"ts": NOW} for record in [*RECORDS, LONG]]
    for part in (rows[:9], rows[9:]):
        write_deltalake(folder / "table", pa.Table.from_pylist(part), mode="append")
    yield f"delta:{folder}/table?tail=false&columns="


@contextmanager
def generated(folder: Path) -> Iterator[str]:
    yield "demo:?events=40"


@contextmanager
def replay(folder: Path) -> Iterator[str]:
    """A send with two partitions."""
    with closing(Selection(folder, create=True)) as selection, selection.change():
        send = selection.begin(state="running", append=False, inputs=[])
        now = micros(NOW)
        for number, raw in enumerate([*RECORDS, LONG]):
            position = f"p{number % 2}", number, number
            selection.add(send, Record(*position, '{"format":"jsonl"}', b"", raw, now, None, None, None))
    yield f"dead_letters:{folder}?send={send}"


#: Scheme -> what makes some records and gives the URI that reads them, to the end.
EXAMPLES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "file": files,
    "tail": following,
    "stdin": standard_input,
    "kafka": kafka,
    "delta": table,
    "demo": generated,
    "dead_letters": replay,
}
#: These cannot be read a second time; their documents say so.
READ_ONCE = {"stdin"}


def opened(uri: str, checked: list[str] | None = None, **options: Any) -> Opened:
    """The source that ``uri`` names. ``checked``: takes the formats that the source asks about."""

    def check(format: str, header: bytes | None) -> None:
        if checked is not None:
            checked.append(format)

    bounds = {"batch_rows": BATCH_ROWS, "batch_bytes": BATCH_BYTES} | options
    settings = Settings(source=SourceSettings(uri=uri, **bounds))
    source = open_source(settings, clock=lambda: NOW, check_format=check)
    assert isinstance(source, FixedPartitionedSource)  # recovery needs partitions with a position
    return source


def read(source: Opened, state: Any = None, most: int = 10_000) -> Partitions:
    """(batches, state) of each partition: up to ``most`` batches after ``state``."""
    found: Partitions = {}
    for name in source.list_parts():
        part: Any = source.build_part("s", name, state[name] if state else None)
        batches: list[pa.RecordBatch] = []
        try:
            while len(batches) < most:
                batches += part.next_batch()
        except StopIteration:
            pass
        found[name] = batches, part.snapshot()
        part.close()
    return found


def records(batches: list[pa.RecordBatch]) -> list[Read]:
    return [
        (row["partition"], row["offset"], row["raw"])
        for batch in batches
        for row in batch.select(["partition", "offset", "raw"]).to_pylist()
    ]


def test_every_source_has_an_example() -> None:
    assert set(EXAMPLES) == set(SOURCES)


class Example(NamedTuple):
    """An example, and all that one read of it gave: (batches, state) of each partition."""

    scheme: str
    uri: str
    with_data: list[str]
    checked: list[str]
    whole: Partitions


@pytest.fixture(scope="module", params=list(EXAMPLES))
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with EXAMPLES[request.param](tmp_path_factory.mktemp(request.param)) as uri:
        checked: list[str] = []
        source = opened(uri, checked)
        yield Example(request.param, uri, partitions_with_data(source), checked, read(source))


def test_batches_hold_undecoded_records_within_their_bounds(example: Example) -> None:
    assert sum(len(records(batches)) for batches, _ in example.whole.values()) >= len(RECORDS)
    for name, (batches, _) in example.whole.items():
        for batch in batches:
            assert batch.schema.equals(RAW)
            assert batch.schema.metadata[b"format"] in (b"jsonl", b"csv", b"text")
            assert 1 <= len(batch) <= BATCH_ROWS
            assert len(batch) == 1 or sum(map(len, batch["raw"].to_pylist())) <= BATCH_BYTES
            assert set(batch["partition"].to_pylist()) == {name}
            assert set(batch["arrival"].to_pylist()) == {NOW}


def test_a_source_asks_whether_events_can_be_read_from_its_format(example: Example) -> None:
    given = {
        batch.schema.metadata[b"format"].decode()
        for batches, _ in example.whole.values()
        for batch in batches
    }
    assert set(example.checked) == given


def test_partition_and_offset_identify_a_record(example: Example) -> None:
    for batches, _ in example.whole.values():
        offsets = [offset for _, offset, _ in records(batches)]
        assert offsets == sorted(set(offsets))


def test_a_resume_continues_with_the_next_record(example: Example) -> None:
    if example.scheme in READ_ONCE:
        return
    before = read(opened(example.uri), most=2)
    state = {name: state for name, (_, state) in before.items()}
    after = read(opened(example.uri, batch_rows=BATCH_ROWS + 2), state)
    for name, (batches, _) in example.whole.items():
        assert records(before[name][0]) + records(after[name][0]) == records(batches)


def test_the_partitions_with_data_are_partitions_that_give_records(example: Example) -> None:
    giving = {name for name, (batches, _) in example.whole.items() if records(batches)}
    assert set(example.with_data) <= giving


def test_an_option_that_the_source_does_not_know_is_refused_in_one_line(example: Example) -> None:
    with pytest.raises(SettingsError, match="pigeon") as caught:
        opened(f"{example.uri}{'&' if '?' in example.uri else '?'}pigeon=1")
    assert "\n" not in str(caught.value)
