"""Records from standard input, which cannot be read twice."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from dataflow.decode.batch import check_format
from dataflow.errors import SettingsError
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source.stdin import StdinSource
from dataflow.source.waiting import AT_ONCE
from tests.support.sources import NOW, rows


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)


def reader(fd: int, format: str = "text", number: int | None = None, **source: Any) -> Any:
    settings = Settings(source=SourceOptions(**source))
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
