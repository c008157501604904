"""Bytes to records, and what files and standard input make of them."""

import gzip
import os
import resource
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pyarrow as pa
import pytest
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from hypothesis import given
from hypothesis import strategies as st

from dataflow.decode.batch import check_format
from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.items import schemas
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import SOURCES, open_source
from dataflow.source.framing import Framer
from dataflow.source.idle import AT_ONCE
from dataflow.source.stdin import StdinSource

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
Records = list[tuple[int, bytes]]
#: More than is read at a time.
LARGE = (b"x" * 999 + b"\n") * 600


def frame(format: str, *blocks: bytes, limit: int = 1000) -> Records:
    framer = Framer(format, limit)
    return [record for block in blocks for record in framer.feed(block)] + framer.close()


_parts: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _parts:
        _parts.pop().close()


def build(uri: str, part: str, state: int | None = None, **source: Any) -> Any:
    _parts.append(opened(uri, **source).build_part("s", part, state))
    return _parts[-1]


def opened(uri: str, **source: Any) -> FixedPartitionedSource[pa.RecordBatch, int]:
    settings = Settings(source=SourceSettings(uri=uri, **source))
    found = open_source(settings, clock=lambda: NOW, check=partial(check_format, settings))
    assert isinstance(found, FixedPartitionedSource)
    return found


def rows(part: StatefulSourcePartition[pa.RecordBatch, int], batches: int = 10_000) -> Records:
    found: Records = []
    for _ in range(batches):
        try:
            for batch in part.next_batch():
                found += zip(batch["offset"].to_pylist(), batch["raw"].to_pylist(), strict=True)
        except StopIteration:
            break
    return found


# --- framing


@pytest.mark.parametrize(
    ("format", "data", "expected"),
    [
        ("jsonl", b"a\nbc\n", [(0, b"a"), (2, b"bc")]),
        ("jsonl", b"a\nbc", [(0, b"a"), (2, b"bc")]),
        ("text", b"a\r\n\r\n \t\r\nb\r", [(0, b"a"), (9, b"b")]),
        ("text", b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [(0, b"a"), (5, b"\xef\xbb\xbfb")]),
        ("text", b'say "a\nb"', [(0, b'say "a'), (7, b'b"')]),
        ("csv", b'1,"a\nb"\n2,c', [(0, b'1,"a\nb"'), (8, b"2,c")]),
        ("csv", b'"a\r\n""\r\n",2\r\n3,4', [(0, b'"a\r\n""\r\n",2'), (13, b"3,4")]),
        ("csv", b'1,5" pipe\n2,""\n3,c', [(0, b'1,5" pipe'), (10, b'2,""'), (15, b"3,c")]),
        ("csv", b'1,"never closed\n2,b\n', [(0, b'1,"never closed\n2,b\n')]),
        ("csv", b'"x","a\n","b\n"\n2', [(0, b'"x","a\n","b\n"'), (14, b"2")]),
    ],
)
def test_records_and_their_offsets(format: str, data: bytes, expected: Records) -> None:
    assert frame(format, data) == expected


def test_of_a_record_that_is_too_large_one_byte_more_than_the_limit_is_kept() -> None:
    data = b"abc\n" + b"x" * 50 + b"\nabcd\n" + b"y" * 9
    expected = [(0, b"abc"), (4, b"xxxxx"), (55, b"abcd"), (60, b"yyyyy")]
    assert frame("text", data, limit=4) == expected
    assert frame("text", *(data[i : i + 3] for i in range(0, len(data), 3)), limit=4) == expected


def test_a_record_that_is_too_large_ends_at_a_line_end_even_in_quotes() -> None:
    assert frame("csv", b'1,"aaaaaaaa\nb\n2,c\n', limit=6) == [(0, b'1,"aaaa'), (12, b"b"), (14, b"2,c")]


pieces = st.sampled_from([b"\n", b"\r\n", b'"', b'""', b",", b"ab", b" ", b"\xef\xbb\xbf", b"0123456789"])


@given(st.lists(pieces, max_size=30).map(b"".join), st.sampled_from(["text", "csv"]), st.data())
def test_where_blocks_are_cut_means_nothing(data: bytes, format: str, more: st.DataObject) -> None:
    cuts = sorted(more.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    blocks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert frame(format, *blocks, limit=8) == frame(format, data, limit=8)


@given(st.lists(pieces, max_size=30).map(b"".join))
def test_an_offset_is_where_the_record_stands(data: bytes) -> None:
    found = frame("text", data)
    assert [raw.strip() for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if raw.strip()] == [
        raw.strip() for _, raw in found
    ]
    for offset, raw in found:
        assert data[offset:].removeprefix(b"\xef\xbb\xbf" if offset == 0 else b"").startswith(raw)


# --- files


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_batch_has_the_raw_schema(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfts,text\r\n1,a\r\n2,b\r\n")
    (batch,) = build("./a.csv", "a.csv").next_batch()
    assert batch.schema.equals(schemas.raw_schema("csv", b"ts,text"), check_metadata=True)
    assert batch.to_pylist() == [
        {
            "raw": raw,
            "partition": "a.csv",
            "offset": at,
            "arrival": NOW,
            "message_key": None,
            "message_ts": None,
        }
        for at, raw in ((12, b"1,a"), (17, b"2,b"))
    ]


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("a.JSON", "jsonl"), ("a.log", "text"), ("a", "text")],
)
def test_the_suffix_says_the_format(tmp_path: Path, name: str, format: str) -> None:
    (tmp_path / name).write_bytes(b"x\n")
    (batch,) = build(name, name).next_batch()
    assert batch.schema.metadata[b"format"] == format.encode()
    (batch,) = build(f"file:{name}?format=text", name).next_batch()
    assert batch.schema.metadata[b"format"] == b"text"


@pytest.mark.parametrize("name", ["a.log", "a.csv", "a.log.gz"])
@pytest.mark.parametrize("batches", [0, 1, 2, 3, 9])
def test_a_resume_goes_on_with_the_next_record(tmp_path: Path, name: str, batches: int) -> None:
    data = b"ts,text\n" + b"".join(b'%d,"\n%d"\n' % (i, i) for i in range(10))
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    whole = rows(build(name, name))
    part = build(name, name, batch_rows=3)
    before = rows(part, batches)
    after = rows(build(name, name, part.snapshot(), batch_rows=5))
    assert before + after == whole
    assert len(before) == min(3 * batches, len(whole))


def test_a_file_that_has_grown_is_read_on(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"a\nb\n")
    part = build("a.log", "a.log")
    rows(part)
    (tmp_path / "a.log").write_bytes(b"a\nb\nc\n")
    assert rows(build("a.log", "a.log", part.snapshot())) == [(4, b"c")]


def test_a_file_that_has_shrunk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"a\n")
    with pytest.raises(SourceError, match=r"a\.log: is shorter than what had been read"):
        build("a.log", "a.log", 3)


def test_a_gzipped_file_that_has_shrunk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"a\nb\n"))
    assert rows(build("a.log.gz", "a.log.gz", 4)) == []
    with pytest.raises(SourceError, match=r"a\.log\.gz: is shorter than what had been read"):
        build("a.log.gz", "a.log.gz", 5)


def test_a_gzipped_file_that_was_cut_is_refused_on_resume(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(os.urandom(9000))[:5000])
    with pytest.raises(SourceError, match=r"a\.log\.gz: cannot be read: "):
        build("a.log.gz", "a.log.gz", 8000)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LARGE)
    part = build("a.log", "a.log", batch_rows=1)
    rows(part, 1)
    os.truncate(tmp_path / "a.log", 10)
    with pytest.raises(SourceError, match=r"a\.log: is shorter than what had been read") as caught:
        rows(part)
    assert "\n" not in str(caught.value)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many other files are open that none may stay so between two reads."""
    monkeypatch.setattr("dataflow.source.on_demand._ROOM", BoundedSemaphore(0))


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
@pytest.mark.usefixtures("no_room")
def test_without_room_a_file_is_read_all_the_same(tmp_path: Path, name: str) -> None:
    data = b"".join(b"%d\n" % i for i in range(100_000))
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = rows(build(name, name))
    assert b"".join(raw + b"\n" for _, raw in found) == data


@pytest.mark.usefixtures("no_room")
def test_a_file_that_goes_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, other in (("a.log", None), ("b.log", LARGE)):
        path = tmp_path / "sub" / name
        path.write_bytes(LARGE)
        part = build(f"sub/{name}", f"sub/{name}", batch_rows=1)
        rows(part, 1)
        path.rename(path.with_suffix(".old"))
        if other:
            path.write_bytes(other)
        says = "was replaced by another file" if other else "No such file or directory"
        with pytest.raises(SourceError, match=rf"sub/{name}: {says}"):
            rows(part)


def test_a_folder_that_goes_before_the_reading_begins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.log").write_bytes(b"a\n")
    source: Any = opened("sub/*.log")
    part = source.build_part("s", "sub/a.log", None)
    (tmp_path / "sub").rename(tmp_path / "gone")
    for read in (
        source.partitions_with_data,
        part.next_batch,
        lambda: source.build_part("s", "sub/a.log", 2),
    ):
        with pytest.raises(SourceError, match=r"^sub/a\.log: No such file or directory$"):
            read()


def test_more_files_than_a_process_may_open(tmp_path: Path) -> None:
    for n in range(1100):
        (tmp_path / f"{n:04}.log").write_bytes(b"%d a\n%d b\n" % (n, n))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    try:
        source = opened("*.log", batch_rows=1)
        for name in source.list_parts():
            _parts.append(source.build_part("s", name, None))
        found = [[rows(part, 1) for part in _parts] for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found[0] == [[(0, b"%d a" % n)] for n in range(1100)]
    assert found[1] == [[(len(b"%d a\n" % n), b"%d b" % n)] for n in range(1100)]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.log")).write_bytes(b"a\n")
    for uri in ("*.log", "file:" + os.fsdecode(b"caf\xe9.log")):
        with pytest.raises(SourceError) as caught:
            opened(uri)
        assert str(caught.value) == r"caf\xe9.log: the name is not UTF-8; rename the file"


def test_a_glob_is_a_partition_a_file(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "sub/c.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert opened("*.log").list_parts() == ["a.log", "b.log"]
    assert opened("**/*.log").list_parts() == ["a.log", "b.log", "sub/c.log"]
    assert opened(f"file:{tmp_path}/?.log").list_parts() == [f"{tmp_path}/a.log", f"{tmp_path}/b.log"]


def test_a_name_that_looks_like_a_glob_is_a_file_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "[a] b.log").write_bytes(b"x")
    assert opened("file:[a]%20b.log").list_parts() == ["[a] b.log"]


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("nope.jsonl", SourceError, "nope.jsonl: no such file"),
        ("*.jsonl", SourceError, "*.jsonl: no file matches"),
        ("file:", SourceError, "file:: no such file"),
        (".", SourceError, ".: is a directory"),
        ("pipe", SourceError, "pipe: not a regular file"),
        ("file://elsewhere/a", SourceError, "files are local"),
        ("broken.gz", SourceError, "broken.gz: cannot be read"),
        ("cut.csv.gz", SourceError, "cut.csv.gz: cannot be read"),
        ("a.csv", SettingsError, "source.ts_field='ts': no such column; the CSV header has when, text"),
        ("a.csv?form=csv", SettingsError, "no such option 'form'"),
        ("a.csv?format=xml", SettingsError, "format=xml: must be one of"),
        ("carrier-pigeon:x", SettingsError, "no source 'carrier-pigeon'; there are file, stdin"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    tmp_path: Path, uri: str, error: type[DriftlineError], says: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken.gz").write_bytes(b"not gzip")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(os.urandom(9000))[:100])
    (tmp_path / "a.csv").write_bytes(b"when,text\n")

    def read() -> None:
        rows(build(uri, opened(uri).list_parts()[0]))

    with pytest.raises(error) as caught:
        read()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch(mode=0o000)
    with pytest.raises(SourceError, match=r"a\.log: Permission denied"):
        opened("a.log")


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    assert rows(build("a.jsonl", "a.jsonl")) == []


def test_every_source_module_is_there() -> None:
    for module in SOURCES.values():
        assert __import__(module, fromlist=["open_source"]).open_source


# --- standard input


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)


def reader(fd: int, format: str = "text", number: int | None = None, **source: Any) -> Any:
    settings = Settings(source=SourceSettings(**source))
    return StdinSource(settings, format, lambda: NOW, partial(check_format, settings), fd).build_part(
        "s", "stdin", number
    )


def test_stdin_gives_what_is_there_without_waiting(pipe: tuple[int, int]) -> None:
    part = reader(pipe[0])
    assert part.next_batch() == []
    assert part.next_awake() == AT_ONCE
    os.write(pipe[1], b"a\nb\nc")
    assert rows(part, 2) == [(0, b"a"), (1, b"b")]
    os.write(pipe[1], b"c\n")
    assert rows(part, 2) == [(2, b"cc")]
    os.write(pipe[1], b"end")
    os.close(pipe[1])
    assert rows(part) == [(3, b"end")]
    with pytest.raises(StopIteration):
        part.next_batch()


def test_stdin_cuts_batches_and_numbers_on_after_a_restart(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"a\nb\nc\n")
    os.close(pipe[1])
    part = reader(pipe[0], batch_rows=2, number=7)
    assert rows(part, 1) == [(7, b"a"), (8, b"b")]
    assert part.snapshot() == 9
    assert rows(part) == [(9, b"c")]


def test_stdin_csv_takes_the_first_line_as_header(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"ts,text\n1,a\n")
    (batch,) = reader(pipe[0], "csv").next_batch()
    assert batch.schema.metadata[b"header"] == b"ts,text"
    assert batch["raw"].to_pylist() == [b"1,a"]
    os.close(pipe[1])


def test_stdin_csv_without_the_column(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"when,text\n1,a\n")
    os.close(pipe[1])
    with pytest.raises(SettingsError, match=r"source\.ts_field='ts': no such column"):
        reader(pipe[0], "csv").next_batch()


def test_a_file_that_holds_nothing_is_not_waited_for(tmp_path: Path) -> None:
    for name, content in (("full", b"a\n"), ("empty", b"")):
        (tmp_path / f"{name}.log").write_bytes(content)
        (tmp_path / f"{name}.log.gz").write_bytes(gzip.compress(content))
    source: Any = opened("*.log*")
    assert source.partitions_with_data() == ["full.log", "full.log.gz"]
