"""Marks of a backtest: embeddings come from recorded events, and marks say which incidents are true."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.backtest.incidents import Incident
from dataflow.backtest.marked import RecordedMarks, read_marks
from dataflow.backtest.precision import by_marks, last_words
from dataflow.backtest.recorded import Recorded, open_recorded
from dataflow.items.embedding import embedding_field
from dataflow.items.fixed import to_fixed
from dataflow.items.schemas import SCORED
from dataflow.marks.line import parse
from dataflow.settings import load
from tests.support.marks import line

RADIUS = 0.5


def direction(degrees: float) -> list[float]:
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


def row(text: str, version: str = "1", degrees: float | None = None, key: str = "k") -> dict[str, Any]:
    """An event whose embedding is the direction that its text names."""
    found = {"key": key, "window_start": 0, "window_end": 1, "revision": 0, "id": f"e{text}", "ts": 0}
    found |= {"text": text, "score": 0.0, "cluster": 0, "model": "m", "model_version": version}
    angle = float(text.rsplit(maxsplit=1)[-1]) if degrees is None else degrees
    return found | {"attributes": "{}", "embedding": direction(angle)}


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    rows = [row(str(degrees)) for degrees in range(0, 180, 5)]
    rows += [row("port 7", degrees=90), row("0", version="2", degrees=45)]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=pa.schema([*SCORED, embedding_field(2)])), tmp_path / "a.parquet"
    )
    return open_recorded(str(tmp_path))


def known(recorded: Recorded, *lines: str, mask: str = "") -> RecordedMarks:
    path = Path(recorded.folder) / "marks.jsonl"
    path.write_text("".join(lines))
    environ = {"DRIFTLINE_ALERT__MARKS": str(path)} | ({"DRIFTLINE_SOURCE__MASK": mask} if mask else {})
    found = read_marks(recorded, load(environ))
    assert found is not None
    return found


def test_without_the_setting_there_are_no_marks(recorded: Recorded) -> None:
    assert read_marks(recorded, load({})) is None
    assert known(recorded).notes[0].endswith("marks.jsonl: there are no marks")


def test_embeddings_are_those_of_events_with_the_text_by_each_version(recorded: Recorded) -> None:
    vectors = known(recorded, line("expected", "0"), line("real", "20", nearest="25")).vectors
    found = vectors.of(["0", "20", "25"], "m 1")
    assert {text: vector.tolist() for text, vector in found.items()} == {
        text: to_fixed(np.array([direction(float(text))], np.float32))[0].tolist()
        for text in ("0", "20", "25")
    }
    assert vectors.of(["0", "20"], "m 2").keys() == {"0"}
    assert vectors.of(["0"], "m 3") == {}


def test_masked_texts_are_alike(recorded: Recorded) -> None:
    marks = [line("expected", "port 99", nearest="7")]
    assert known(recorded, *marks).vectors.of(["port 99"], "m 1") == {}
    assert known(recorded, *marks, mask="number").vectors.of(["port 99"], "m 1").keys() == {"port 99"}


def test_texts_that_are_not_recorded_are_named(recorded: Recorded) -> None:
    lines = [line("expected", f"un\nknown {number}", nearest="also no") for number in range(5)]
    notes = known(recorded, *lines, line("real", "20"), line("none", "not this one")).notes
    assert notes == [
        "5 of 6 marked texts are not among the recorded events, so their marks do not count: "
        '"un known 0", "un known 1", "un known 2", ...',
        "1 usual texts of marks (nearest) are not among the recorded events; the radius of their marks is "
        'half of alert.radius: "also no"',
    ]


def incident(id: str, *texts: str, kind: str = "events") -> Incident:
    examples = tuple({"id": f"e{text}", "text": text} for text in texts)
    return Incident(id, kind, "k", "closed", 0, 0, 0, 1, 2.0, "m", None, examples)


@pytest.mark.parametrize(
    ("texts", "is_true"),
    [
        (["0"], False),
        (["10"], False),
        (["90"], True),
        (["100"], True),
        (["45"], None),
        (["0", "90"], True),
        (["0", "5", "90"], False),
        (["45", "90"], True),
        (["not recorded"], None),
        ([], None),
    ],
)
def test_an_incident_is_what_most_of_its_examples_resemble(
    recorded: Recorded, texts: list[str], is_true: bool | None
) -> None:
    late, until = "2100-01-01T00:00:00Z", "2100-01-02T00:00:00Z"
    found = known(recorded, line("expected", "0", late, until=until), line("real", "90", late))
    incidents = [incident("i", *texts)]
    assert by_marks(found, recorded, RADIUS, incidents)(incidents[0]) is is_true
    assert by_marks(found, recorded, RADIUS, incidents)(incident("i", *texts, kind="drift")) is None


def test_the_incident_that_a_mark_names_is_what_the_mark_says(recorded: Recorded) -> None:
    found = known(
        recorded,
        line("expected", "0", incident="a"),
        line("expected", "5", incident="b"),
        line("real", "unknown", incident="b"),
        line("real", "10", incident="c"),
        line("none", "10", "1970-01-01T00:00:01Z"),
    )
    incidents = [incident("a", "170"), incident("b", "170"), incident("c", "170")]
    judge = by_marks(found, recorded, RADIUS, incidents)
    assert [judge(each) for each in incidents] == [False, True, None]


def test_the_last_word_about_a_text_counts() -> None:
    first, second = "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"
    lines = [
        line("expected", "a", second),
        line("real", "a", first),
        line("real", "b", first),
        line("expected", "b", first),
        line("real", "c", first),
        line("none", "c", second),
    ]
    assert [(mark.mark, mark.text) for mark in last_words(map(parse, map(str.encode, lines)))] == [
        ("expected", "a"),
        ("expected", "b"),
    ]


def test_an_example_of_another_key_is_another_event(recorded: Recorded) -> None:
    path = Path(recorded.folder) / "b.parquet"
    rows = [row("same 0"), row("same 90", key="other") | {"id": "esame 0"}]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([*SCORED, embedding_field(2)])), path)
    found = known(recorded, line("expected", "0"), line("real", "90"))
    other = incident("i", "same 0")
    assert by_marks(found, open_recorded(str(path)), RADIUS, [other])(other) is False
