"""Marks of the page are those that the flow reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import counting
from dataflow.marks.open import open_store
from dataflow.settings import Settings
from tests.support.page import START, WINDOW, Opened, alert, opened, scored, written


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Opened]:
    written(tmp_path / "scores.jsonl", [scored(event) for event in range(10)])
    written(tmp_path / "alerts.jsonl", [alert("i1"), alert("i2", examples=(5,)), alert("d", kind="drift")])
    with opened(tmp_path, marks=tmp_path / "marks.jsonl") as client:
        yield client.loaded(10)


def said(client: Opened, **body: Any) -> Any:
    answer = client.post("/api/marks", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["mark"]


def counted(tmp_path: Path) -> dict[tuple[str, str | None], str]:
    """What the flow takes from the file for later windows: text and key of each mark -> what it says."""
    file = MarksFile(tmp_path / "marks.jsonl")
    file.look()
    return {(str(mark.text), mark.key): mark.mark for mark in counting(file.marks, START + 100 * WINDOW)}


def test_the_flow_reads_a_mark_for_each_example(client: Opened, tmp_path: Path) -> None:
    mark = said(client, incident="i1", mark="expected", note="backup", by="ana")
    assert mark["mark"] == "expected"
    assert (mark["note"], mark["by"], mark["key"], mark["until"]) == ("backup", "ana", "a", None)
    assert counted(tmp_path) == {
        ("text of event 1", "a"): "expected",
        ("text of event 2", "a"): "expected",
    }
    first = json.loads((tmp_path / "marks.jsonl").read_text().splitlines()[0])
    assert first["nearest"] == "usual text"


def test_a_mark_counts_for_windows_after_those_that_were_seen(client: Opened, tmp_path: Path) -> None:
    said(client, incident="i1", mark="expected")
    file = MarksFile(tmp_path / "marks.jsonl")
    file.look()
    assert not counting(file.marks, START + WINDOW)
    assert len(counting(file.marks, START + WINDOW + 1)) == 2


def test_marks_can_be_changed_and_taken_back(client: Opened, tmp_path: Path) -> None:
    said(client, incident="i1", mark="expected")
    said(client, incident="i2", mark="real")
    said(client, incident="i1", mark="real", everywhere=True)
    assert counted(tmp_path) == {
        ("text of event 1", None): "real",
        ("text of event 2", None): "real",
        ("text of event 5", "a"): "real",
    }
    assert said(client, incident="i1", mark="none") is None
    assert counted(tmp_path) == {("text of event 5", "a"): "real"}
    assert [mark["incident"] for mark in client.json("marks")["marks"]] == ["i2"]


def test_lists_show_the_mark_and_the_precision(client: Opened) -> None:
    said(client, incident="i1", mark="expected", until=START + 1000 * WINDOW)
    said(client, incident="i2", mark="real")
    found = client.json("incidents")
    assert {each["incident"]: each["mark"] and each["mark"]["mark"] for each in found["incidents"]} == {
        "i1": "expected",
        "i2": "real",
        "d": None,
    }
    assert found["precision"] == {"real": 1, "expected": 1, "unmarked": 0, "share": 0.5}
    assert client.json("incidents/i1")["mark"]["until"] == START + 1000 * WINDOW
    assert client.json("incidents", mark="expected")["total"] == 1


def test_labels_have_a_line_for_each_marked_event(client: Opened) -> None:
    said(client, incident="i1", mark="expected", note="n")
    answer = client.get("/api/labels.jsonl")
    assert "attachment" in answer.headers["content-disposition"]
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [(row["key"], row["id"], row["label"], row["note"]) for row in rows] == [
        ("a", "e1", "expected", "n"),
        ("a", "e2", "expected", "n"),
    ]


def test_a_file_of_marks_in_the_folder_is_no_output(client: Opened) -> None:
    said(client, incident="i1", mark="real")
    assert {each["stream"] for each in client.json("state")["streams"]} == {"scores", "alerts"}


def test_a_last_line_without_its_end_stays_a_line(client: Opened, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text('{"mark": "real", "text": "by hand", "ts": "2026-01-01T00:00:00Z"}')
    said(client, incident="i2", mark="expected")
    assert counted(tmp_path) == {("by hand", None): "real", ("text of event 5", "a"): "expected"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"incident": "none", "mark": "real"}, "incident"),
        ({"incident": "d", "mark": "real"}, "drift"),
        ({"incident": "i1", "mark": "fake"}, "mark"),
        ({"mark": "real"}, "incident"),
        ({"incident": "i1", "mark": "real", "note": "x" * 2001}, "note"),
        ({"incident": "i1", "mark": "real", "by": 5}, "by"),
        ({"incident": "i1", "mark": "real", "until": "soon"}, "until"),
        ({"incident": "i1", "mark": "real", "until": START - 1}, "until"),
        ({"incident": "i1", "mark": "real", "until": True}, "until"),
        ({"incident": "i1", "mark": "real", "everywhere": "yes"}, "everywhere"),
        ({"incident": "i1", "mark": "real", "path": "/etc/passwd"}, "fields"),
        ({"incident": "i1", "mark": "none"}, "no mark"),
        ([], "fields"),
    ],
)
def test_a_wrong_mark_is_refused_and_not_written(
    client: Opened, tmp_path: Path, body: Any, named: str
) -> None:
    answer = client.post("/api/marks", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert not (tmp_path / "marks.jsonl").exists()


def test_a_file_that_cannot_be_written_is_an_answer(tmp_path: Path) -> None:
    written(tmp_path / "alerts.jsonl", [alert("i1")])
    (tmp_path / "no").write_text("")
    with opened(tmp_path / "alerts.jsonl", marks=tmp_path / "no" / "marks.jsonl") as client:
        client.loaded()
        answer = client.post("/api/marks", json={"incident": "i1", "mark": "real"})
        assert answer.status_code == 503
        assert "marks.jsonl: cannot be written" in answer.json()["error"]


def test_marks_in_a_delta_table_are_those_that_the_flow_reads(tmp_path: Path) -> None:
    written(tmp_path / "alerts.jsonl", [alert("i1")])
    uri = f"delta:{tmp_path}/marks"
    with opened(tmp_path / "alerts.jsonl", marks=uri) as client:
        client.loaded()
        assert said(client, incident="i1", mark="expected")["mark"] == "expected"
        assert {mark.mark for mark in open_store(uri, Settings()).marks} == {"expected"}
        assert client.get("/api/incidents").json()["incidents"][0]["mark"]["mark"] == "expected"
        assert said(client, incident="i1", mark="none") is None
        assert counting(open_store(uri, Settings()).marks, START + 100 * WINDOW) == []
