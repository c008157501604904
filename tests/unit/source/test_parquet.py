"""Rows of Parquet files as records, alone and in a sequence."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import SourceError
from tests.support.plain import stored
from tests.support.sources import build, opened, rows


def write(path: str, first: int, count: int, group: int = 4) -> None:
    numbers = range(first, first + count)
    table = pa.table({"n": pa.array(numbers, pa.int64()), "text": [f"t{n}" for n in numbers]})
    pq.write_table(table, path, row_group_size=group)


def numbers(part: Any, batches: int = 10_000) -> list[tuple[int, int]]:
    """The offset of each record, and the number that the record holds."""
    return [(offset, json.loads(raw)["n"]) for offset, raw in rows(part, batches)]


@given(count=st.integers(0, 20), group=st.integers(1, 9), first=st.integers(0, 8), size=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_a_resume_goes_on_with_the_next_row(count: int, group: int, first: int, size: int) -> None:
    Path("a.parquet").unlink(missing_ok=True)
    write("a.parquet", 0, count, group)
    part = build("a.parquet", "a.parquet", batch_rows=size)
    before = numbers(part, first)
    after = numbers(build("a.parquet", "a.parquet", stored(part.snapshot()), batch_rows=5))
    assert before + after == [(n, n) for n in range(count)]
    assert len(before) == min(count, first * size)


def test_a_record_is_a_row() -> None:
    write("a.parquet", 7, 1)
    (batch,) = build("file:a.parquet", "a.parquet").next_batch()
    assert batch.schema.metadata == {b"format": b"jsonl"}
    assert batch["raw"].to_pylist() == [b'{"n":7,"text":"t7"}']


def test_a_sequence_counts_rows() -> None:
    for file in range(3):
        write(f"{file}.parquet", 10 * file, 10)
    uri = "tail:*.parquet?follow=false"
    part = build(uri, "*.parquet", batch_rows=3)
    before = numbers(part, 6)
    after = numbers(build(uri, "*.parquet", stored(part.snapshot()), batch_rows=5))
    assert before + after == [(n, n) for n in range(30)]


@pytest.mark.parametrize("uri", ["file:a.parquet", "tail:a.parquet?follow=false", "tail:a.parquet"])
def test_what_is_no_parquet_is_said_in_one_line(uri: str) -> None:
    Path("a.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match=r"^a\.parquet: cannot be read as Parquet: [^\n]*$"):
        rows(build(uri, "a.parquet"), 5)


def test_a_file_without_rows_is_not_waited_for() -> None:
    write("a.parquet", 0, 0)
    write("b.parquet", 0, 1)
    source: Any = opened("*.parquet")
    assert source.partitions_with_data() == ["b.parquet"]


def test_a_file_that_has_fewer_rows_is_refused() -> None:
    write("a.parquet", 0, 3)
    with pytest.raises(SourceError, match=r"^a\.parquet: is shorter than the 4 rows that were read before"):
        build("a.parquet", "a.parquet", 4)


def test_parquet_files_follow_no_others() -> None:
    write("a.parquet", 0, 3)
    Path("b.jsonl").write_bytes(b"{}\n")
    with pytest.raises(
        SourceError, match=r"^b\.jsonl: Parquet files follow no others; name one kind of files"
    ):
        opened("tail:.")
    assert opened("file:*").list_parts() == ["a.parquet", "b.jsonl"]
