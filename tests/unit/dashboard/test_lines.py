"""A file of JSON lines is read as it grows, is cut, or is replaced."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from dashboard.readers.block import Block, Reader
from dashboard.readers.lines import LinesReader
from dashboard.readers.packed import PackedReader
from dataflow.errors import SourceError
from tests.support.page import Row, alert, scored, written


def blocks(reader: Reader) -> Iterator[Block]:
    while (block := reader.read()) is not None:
        yield block


def ids(reader: Reader) -> list[str]:
    """The ids of all rows that are new."""
    return [id for block in blocks(reader) if len(block) for id in block.rows.column("id").to_pylist()]  # type: ignore[union-attr]


@pytest.mark.parametrize("step", [1, 7, 1000, 100_000])
def test_each_row_is_read_once_however_the_file_grows(tmp_path: Path, step: int) -> None:
    rows = [scored(event) for event in range(30)]
    content = written(tmp_path / "all.jsonl", rows).read_bytes()
    path = tmp_path / "scores.jsonl"
    path.touch()
    reader, found = LinesReader(path), list[str]()
    for at in range(0, len(content), step):
        with path.open("ab") as file:
            file.write(content[at : at + step])
        if step > 1 or at % 50 == 0:
            found += ids(reader)
    found += ids(reader)
    assert found == [row["id"] for row in rows]
    assert reader.stream == "scores"


def test_a_broken_line_is_counted_and_named(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.jsonl", [scored(0)])
    with path.open("a") as file:
        file.write('{"key": \n\n')
    written(path, [scored(1), scored(2, score="high"), {"key": "a"}, scored(3), scored(4, ts="yesterday")])
    reader = LinesReader(path)
    (block,) = blocks(reader)
    assert block.rows.column("id").to_pylist() == ["e0", "e1", "e3"]  # type: ignore[union-attr]
    assert block.broken == 4
    assert block.why == "line 2 is not JSON"


@pytest.mark.parametrize("name", ["key", "ts", "text", "score", "model", "attributes", "window_end"])
def test_a_row_without_a_field_is_named_by_it(tmp_path: Path, name: str) -> None:
    row = scored(0)
    del row[name]
    (block,) = blocks(LinesReader(written(tmp_path / "x.jsonl", [row]), "scores"))
    assert (len(block), block.broken) == (0, 1)
    assert repr(name) in str(block.why)


@pytest.mark.parametrize("name", ["key", "id", "ts", "text", "score", "cluster", "window_start"])
def test_a_null_where_none_may_be_breaks_the_row(tmp_path: Path, name: str) -> None:
    rows = [scored(0), scored(1) | {name: None}, scored(2)]
    (block,) = blocks(LinesReader(written(tmp_path / "x.jsonl", rows)))
    assert (len(block), block.broken) == (2, 1)


def test_a_file_that_is_cut_or_replaced_starts_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.jsonl", [scored(event) for event in range(5)])
    reader = LinesReader(path)
    assert len(ids(reader)) == 5
    written(path, [scored(9)], mode="w")
    (block,) = blocks(reader)
    assert block.anew
    assert block.rows.column("id").to_pylist() == ["e9"]  # type: ignore[union-attr]
    path.write_bytes(b"")
    (block,) = blocks(reader)
    assert block.anew
    assert not len(block)
    other = written(tmp_path / "other", [scored(7), scored(8)])
    other.rename(path)
    (block,) = blocks(reader)
    assert block.rows.column("id").to_pylist() == ["e7", "e8"]  # type: ignore[union-attr]


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", [{"level": "info"}])
    with pytest.raises(SourceError, match="no stream of Driftline"):
        LinesReader(path).read()


def test_rows_of_another_version_are_named(tmp_path: Path) -> None:
    (block,) = blocks(LinesReader(written(tmp_path / "a.jsonl", [alert("i", format=2)])))
    assert (block.stream, block.old, len(block)) == ("alerts", 2, 0)


def packed(path: Path, rows: list[Row]) -> None:
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]))
    else:
        with pa.output_stream(str(path), compression="zstd") as file:
            file.write(content)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_is_read_and_read_again_when_it_has_changed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.jsonl{suffix}"
    packed(path, [scored(event) for event in range(4000)])
    reader = PackedReader(path)
    assert ids(reader) == [f"e{event}" for event in range(4000)]
    assert reader.read() is None
    path.unlink()
    packed(path, [scored(5)])
    found = list(blocks(reader))
    assert found[0].anew
    assert found[0].rows.column("id").to_pylist() == ["e5"]  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_half_a_compressed_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.jsonl{suffix}"
    packed(path, [scored(event, text=str(event) * 50) for event in range(3000)])
    path.write_bytes(path.read_bytes()[:-200])
    reader = PackedReader(path)
    with pytest.raises(SourceError, match="is not whole"):
        list(blocks(reader))
