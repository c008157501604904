"""The command line of replays: its lines and exit codes."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.decode.batch import decode_batch
from dataflow.errors import UnreachableError
from dataflow.replay import __main__ as command
from dataflow.settings import Settings
from dataflow.sink.encoding import json_lines
from tests.support.batches import raw
from tests.support.decoding import NOW


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five letters: one is no JSON, and four have their time in another field."""
    monkeypatch.chdir(tmp_path)
    records = [b'{"time": "2026-11-23T11:00:0%dZ", "text": "a"}' % second for second in range(4)]
    dead = decode_batch(raw([b"?", *records]), Settings(), now=NOW).dead_letters
    (tmp_path / "dead.jsonl").write_bytes(json_lines(dead))
    return tmp_path


def test_lists(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list", "dead.jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["count", "reason", "first", "last", "example"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["4", "missing_field", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"],
        ["1", "malformed", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"],
    ]
    command.main(["list", "dead.jsonl", "--by", "hour", "--reason", "malformed"])
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["1", "2026-11-23T12:00:00Z"]
    command.main(["list", "dead.jsonl", "--rows", "--since", "2026-11-23"])
    assert len(capsys.readouterr().out.splitlines()) == 5
    command.main(["list", "dead.jsonl", "--rows", "--until", "2026-11-23T12:00:00"])
    assert capsys.readouterr().out == ""


def test_a_dry_run_writes_nothing(
    letters: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_SOURCE__TS_FIELD", "time")
    assert command.main(["check", "dead.jsonl"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "to send: 4 records, events from 2026-11-23T11:00:00Z to 2026-11-23T11:00:03Z"
    assert said[1].startswith("would fail again: 1 record, malformed: the record is not JSON")
    assert len(said) == 2
    assert [path.name for path in letters.iterdir()] == ["dead.jsonl"]


def test_settings_that_take_no_such_record_are_a_reason(
    letters: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = decode_batch(raw([b"\xff"], format="text"), Settings(), now=NOW).dead_letters
    (letters / "text.jsonl").write_bytes(json_lines(lines))
    monkeypatch.setenv("DRIFTLINE_SOURCE__KEY_FIELD", "host")
    assert command.main(["check", "text.jsonl"]) == 0
    said = capsys.readouterr().out
    assert (
        "would fail again: 1 record, settings: source.key_field: lines of plain text have no fields" in said
    )


def test_a_prepared_send_is_listed_and_forgotten(
    letters: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_SOURCE__TS_FIELD", "time")
    assert command.main(["send", "dead.jsonl", "--prepare", "--key", "all"]) == 0
    assert "DRIFTLINE_SOURCE__URI='dead_letters:out/replay?send=1'" in capsys.readouterr().out
    command.main(["check", "dead.jsonl"])
    assert "to send: 0 records\n" in (out := capsys.readouterr().out)
    assert "sent before: 4 records\n" in out
    assert command.main(["sends"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "1", "prepared", "4", "dead_letters:out/replay?send=1",
    ]  # fmt: skip
    assert command.main(["forget", "1"]) == 0
    command.main(["check", "dead.jsonl"])
    assert "to send: 4 records" in capsys.readouterr().out


def test_nothing_to_send_leaves_no_send(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["send", "dead.jsonl"]) == 0
    command.main(["sends"])
    assert len(capsys.readouterr().out.splitlines()) == 3 + 1  # the report, and a table without rows


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "absent.jsonl"], "absent.jsonl: no such file"),
        (["list", "demo:"], "demo:: cannot be read again"),
        (["sends"], "out/replay: no replay"),
        (["send", "dead.jsonl", "--folder", "dead.jsonl/x"], "cannot be opened"),
    ],
)
def test_a_mistake_is_one_line(
    letters: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert command.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("driftline: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_send_that_does_not_exist_cannot_be_forgotten(
    letters: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(["send", "dead.jsonl"])
    assert command.main(["forget", "7"]) == 2
    assert "there is no send 7" in capsys.readouterr().err


def test_a_server_that_does_not_answer_may_answer_later(
    letters: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise UnreachableError("the server does not answer")

    monkeypatch.setattr("dataflow.replay.letters.open_uri", unreachable)
    assert command.main(["check", "kafka://localhost:1/dead"]) == 1
    assert capsys.readouterr().err == "driftline: the server does not answer\n"
