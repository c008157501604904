"""The file of marks changes while it is read."""

import logging
import os
from pathlib import Path

import pytest

from dataflow.marks.file import MarksFile
from dataflow.telemetry import metrics
from tests.support.marks import line


def texts(file: MarksFile) -> list[str | None]:
    file.look()
    return [mark.text for mark in file.marks]


def errors() -> float:
    value: float = metrics.MARK_ERRORS._value.get()
    return value


def test_a_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
    path, whole = tmp_path / "marks.jsonl", line("real", "a") + line("real", "b")
    file = MarksFile(path)
    found = []
    for size in range(len(whole) + 1):
        path.write_text(whole[:size])
        found.append(len(texts(file)))
    assert found == [whole[:size].count("\n") for size in range(len(whole) + 1)]


def test_a_file_is_read_when_it_has_changed_and_not_else(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("real", "a"))
    file = MarksFile(path)
    assert [file.look(), file.look()] == [True, False]
    with path.open("a") as appended:
        appended.write(line("real", "b"))
    assert texts(file) == ["a", "b"]
    path.write_text(line("real", "c"))
    assert texts(file) == ["c"]
    other = tmp_path / "other"
    other.write_text(line("real", "d"))
    os.replace(other, path)
    assert texts(file) == ["d"]


def test_wrong_lines_are_logged_and_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, before = tmp_path / "marks.jsonl", errors()
    path.write_bytes(b"\xef\xbb\xbf" + line("real", "a").encode() + b"\n\xff{\n" + line("real", "b").encode())
    file = MarksFile(path)
    assert texts(file) == ["a", "b"]
    with path.open("a") as appended:
        appended.write(line("wrong", "c"))
    assert texts(file) == ["a", "b"]
    said = [record.message for record in caplog.records]
    assert [each.partition(": ")[2].partition(":")[0] for each in said] == ["line 3", "line 5"]
    assert "the line is left out: write a correct one" in said[0]
    assert errors() == before + 2


def test_a_file_may_come_later_and_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "folder" / "marks.jsonl"
    file = MarksFile(path)
    assert [texts(file), texts(file)] == [[], []]
    path.parent.mkdir()
    path.write_text(line("real", "a"))
    assert texts(file) == ["a"]
    path.unlink()
    assert [texts(file), texts(file)] == [["a"], ["a"]]
    path.mkdir()
    assert texts(file) == ["a"]
    path.rmdir()
    path.write_text(line("real", "b"))
    assert texts(file) == ["b"]
    assert [(record.levelname, record.message.removeprefix(f"{path}: ")) for record in caplog.records] == [
        ("INFO", "No such file or directory; there are no marks until the file is there"),
        ("INFO", "the marks can be read"),
        ("WARNING", "No such file or directory; the 1 lines that were read count until it can be read again"),
        ("INFO", "the marks can be read"),
    ]
