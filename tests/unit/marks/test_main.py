"""The command that writes marks."""

import json
from pathlib import Path

import pytest

from dataflow.marks.__main__ import main
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import counting
from dataflow.marks.line import Mark


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.jsonl"
    path.write_text(
        _alert("i1", ["old"]) + _alert("i1", ["a", "b"]) + _alert("i2", ["c"]) + _alert("i4", ["d"], "drift")
    )
    return path


def _alert(incident: str, texts: list[str], kind: str = "events") -> str:
    examples = [{"text": text, "nearest": f"usual {text}"} for text in texts]
    return json.dumps({"incident": incident, "kind": kind, "key": "k", "examples": examples}) + "\n"


def written(path: Path) -> list[Mark]:
    file = MarksFile(path)
    file.look()
    return list(file.marks)


def test_it_marks_the_newest_examples_of_an_incident_and_takes_them_back(
    alerts: Path, tmp_path: Path
) -> None:
    path = tmp_path / "marks.jsonl"
    common = ["i1", "--marks", str(path)]
    assert main(["expected", *common, "--alerts", str(alerts), "--at", "1970-01-01T00:00:01Z"]) == 0
    assert [(mark.text, mark.nearest, mark.key, mark.incident) for mark in written(path)] == [
        ("a", "usual a", "k", "i1"),
        ("b", "usual b", "k", "i1"),
    ]
    assert main(["none", *common, "--at", "1970-01-01T00:00:02Z", "--note", "a mistake"]) == 0
    assert [len(counting(written(path), second * 1_000_000)) for second in range(4)] == [0, 2, 0, 0]


def test_a_mark_may_be_for_all_keys_and_counts_from_now_on(alerts: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text("not complete")
    words = ["real", "i2", "--marks", str(path), "--alerts", str(alerts), "--everywhere", "--by", "ana"]
    assert main(words) == 0
    [mark] = written(path)
    assert (mark.mark, mark.key, mark.by) == ("real", None, "ana")
    assert mark.ts.year >= 2026


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["real", "i3", "--alerts", "alerts.jsonl"],
            "alerts.jsonl: no incident i3; name one",
        ),
        (
            ["expected", "i4", "--alerts", "alerts.jsonl"],
            "incident i4 is a drift; only incidents of events can be marked",
        ),
        (["real", "i1"], "--alerts is missing; name the file that sink.alerts writes"),
        (["real", "i1", "--alerts", "no.jsonl"], "no.jsonl: No such file or directory; name the file"),
        (
            ["real", "i1", "--alerts", "alerts.jsonl", "--until", "soon"],
            "until='soon': Input should be",
        ),
        (["none", "i1"], "marks.jsonl: no marks of incident i1; nothing is written"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    alerts: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(alerts.parent)
    assert main([*words, "--marks", "marks.jsonl"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"driftline: {said}")
    assert not Path("marks.jsonl").exists()
