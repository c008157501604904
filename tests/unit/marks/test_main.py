"""The command that writes marks."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from dataflow.marks.__main__ import main
from dataflow.marks.likeness import counting
from dataflow.marks.line import Mark
from dataflow.marks.open import open_store
from dataflow.settings import Settings


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.jsonl"
    path.write_text(
        _alert("i1", ["old"])
        + _alert("i1", ["a", "b"], sequence=1)
        + _alert("i2", ["c"], sequence=5)
        + _alert("i4", ["d"], "drift")
    )
    return path


def _alert(incident: str, texts: list[str], kind: str = "events", sequence: int = 0) -> str:
    examples = [{"text": text, "nearest": f"usual {text}"} for text in texts]
    row = {"incident": incident, "sequence": sequence, "kind": kind, "key": "k", "examples": examples}
    return json.dumps(row) + "\n"


def written(uri: str) -> list[Mark]:
    store = open_store(uri, Settings())
    store.look()
    return list(store.marks)


@pytest.mark.parametrize("uri", ["{folder}/marks.jsonl", "file:{folder}/marks.jsonl", "delta:{folder}/marks"])
@pytest.mark.parametrize("kind", ["file", "table"])
def test_it_marks_the_newest_examples_of_an_incident_and_takes_them_back(
    alerts: Path, tmp_path: Path, uri: str, kind: str
) -> None:
    uri, source = uri.format(folder=tmp_path), str(alerts)
    if kind == "table":
        # Commits in the reverse order: the sequence tells which row is the newest one.
        for raw in reversed(alerts.read_text().splitlines()):
            write_deltalake(tmp_path / "alerts", pa.Table.from_pylist([json.loads(raw)]), mode="append")
        source = f"delta:{tmp_path}/alerts"
    common = ["i1", "--marks", uri]
    assert main(["expected", *common, "--alerts", source, "--at", "1970-01-01T00:00:01Z"]) == 0
    found = sorted(written(uri), key=lambda mark: str(mark.text))
    assert [(mark.text, mark.nearest, mark.key, mark.incident) for mark in found] == [
        ("a", "usual a", "k", "i1"),
        ("b", "usual b", "k", "i1"),
    ]
    assert main(["none", *common, "--at", "1970-01-01T00:00:02Z", "--note", "a mistake"]) == 0
    assert [len(counting(written(uri), second * 1_000_000)) for second in range(4)] == [0, 2, 0, 0]


def test_a_mark_may_be_for_all_keys_and_counts_from_now_on(alerts: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text("not complete")
    words = ["real", "i2", "--marks", str(path), "--alerts", str(alerts), "--everywhere", "--by", "ana"]
    assert main(words) == 0
    [mark] = written(str(path))
    assert (mark.mark, mark.key, mark.by) == ("real", None, "ana")
    assert mark.ts.year >= 2026


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["real", "i3", "--alerts", "alerts.jsonl"],
            "alerts.jsonl: no incident i3; name one of this file or table",
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
        (["real", "i1", "--alerts", "delta:none"], "delta:none: no Delta table; write the path"),
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
