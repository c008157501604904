"""Partitions, formats, offsets and resumes of files."""

import gzip
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.items import schemas
from tests.support.sources import NOW, build, opened, rows


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
            "message_headers": None,
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


def packed(name: str, data: bytes) -> bytes:
    """``data`` as the suffix of ``name`` says, in two members or frames."""
    packs: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".zst": partial(pa.compress, codec="zstd", asbytes=True),
    }
    pack = packs.get(Path(f"x{name}").suffix)
    return pack(data[:7]) + pack(data[7:]) if pack else data


@pytest.mark.parametrize("name", ["a.log", "a.csv", "a.log.gz", "a.log.zst", "a.csv.zst"])
@pytest.mark.parametrize("batches", [0, 1, 2, 3, 9])
def test_a_resume_goes_on_with_the_next_record(tmp_path: Path, name: str, batches: int) -> None:
    data = b"ts,text\n" + b"".join(b'%d,"\n%d"\n' % (i, i) for i in range(10))
    (tmp_path / name).write_bytes(packed(name, data))
    whole = rows(build(name, name))
    part = build(name, name, batch_rows=3)
    before = list(rows(part, batches))
    after = list(rows(build(name, name, part.snapshot(), batch_rows=5)))
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
    with pytest.raises(SourceError, match=r"a\.log: is shorter than the \d+ bytes that were read"):
        build("a.log", "a.log", 3)


@pytest.mark.parametrize("name", ["a.log.gz", "a.log.zst"])
def test_a_compressed_file_that_has_shrunk_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(packed(name, b"a\nb\nc\nd\n"))
    assert rows(build(name, name, 8)) == []
    with pytest.raises(SourceError, match=rf"{name}: is shorter than the \d+ bytes that were read"):
        build(name, name, 9)


@pytest.mark.parametrize("name", ["a.log.gz", "a.log.zst"])
def test_a_compressed_file_that_was_cut_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(packed(name, os.urandom(9000))[:5000])
    with pytest.raises(SourceError, match=rf"^{name}: cannot be read: "):
        build(name, name, 8000)
    with pytest.raises(SourceError, match=rf"^{name}: cannot be read: "):
        rows(build(name, name))


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
        ("broken.zst", SourceError, "broken.zst: cannot be read"),
        ("cut.csv.gz", SourceError, "cut.csv.gz: cannot be read"),
        ("a.csv", SettingsError, "source.ts_field='ts': no such column; the CSV header has when, text"),
        ("a.csv?form=csv", SettingsError, "no such option 'form'"),
        ("a.csv?format=xml", SettingsError, "format=xml: must be one of"),
        ("carrier-pigeon:x", SettingsError, "no source 'carrier-pigeon'; there are file, tail, stdin"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    tmp_path: Path, uri: str, error: type[DriftlineError], says: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken.gz").write_bytes(b"not gzip")
    (tmp_path / "broken.zst").write_bytes(b"not zstd")
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


def test_a_file_that_holds_nothing_is_not_waited_for(tmp_path: Path) -> None:
    for name, content in (("full", b"a\n"), ("empty", b"")):
        (tmp_path / f"{name}.log").write_bytes(content)
        for suffix in (".gz", ".zst"):
            (tmp_path / f"{name}.log{suffix}").write_bytes(packed(suffix, content))
    source: Any = opened("*.log*")
    assert source.partitions_with_data() == ["full.log", "full.log.gz", "full.log.zst"]
