"""Which marks count, and which events resemble them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import rfc3339
from dataflow.errors import SettingsError
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.likeness import UNMARKED
from dataflow.marks.likeness import counting
from dataflow.marks.line import Mark, parse
from dataflow.marks.open import open_marks
from dataflow.settings import load
from tests.support.marks import Plane, line, marks

MODEL = "m 1"
#: The distance of directions that are 30 degrees apart is 0.518.
WIDE, NARROW = 0.52, 0.51

lines = st.builds(
    lambda mark, id, ts, until: parse(
        line(mark, "a", rfc3339(ts), id=id, until=until and rfc3339(ts + until)).encode()
    ),
    st.sampled_from(["expected", "real", "none"]),
    st.sampled_from(["x", "y"]),
    st.integers(0, 5),
    st.sampled_from([None, 1, 3]),
)


def at(*angles: float) -> Fixed:
    radians = np.radians(angles)
    return to_fixed(np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32))


@given(said=st.lists(lines, max_size=8), end=st.integers(0, 9))
def test_the_last_line_of_a_mark_counts_until_it_ends(said: list[Mark], end: int) -> None:
    expected = []
    for id in ("x", "y"):
        mine = [mark for mark in said if mark.id == id and mark.first <= end]
        if mine:
            newest = max(mark.first for mark in mine)
            last = [mark for mark in mine if mark.first == newest][-1]
            if last.mark != "none" and end < last.end:
                expected.append(last)
    assert counting(said, end) == expected


@pytest.mark.parametrize(
    ("nearest", "most"), [(None, 29), ("0", 29), ("20", 29), ("45", 45), ("61", 61), ("180", 61)]
)
def test_a_radius_is_the_distance_to_the_nearest_usual_text_within_bounds(
    nearest: str | None, most: int, tmp_path: Path
) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("expected", "0", nearest=nearest) + line("real", "180"))
    found = marks(path, radius=2 * NARROW)
    expected = found.expected("k", 0, MODEL, at(*range(90)))
    assert [name is not None for name in expected] == [angle <= most for angle in range(90)]
    assert found.real("k", 0, MODEL, at(*range(90, 180))).tolist() == [
        angle > 150 for angle in range(90, 180)
    ]


def test_marks_that_are_near_to_each_other_have_one_name(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text("".join(line("expected", str(angle), id=f"{angle:03}") for angle in (0, 30, 60, 120)))
    near = marks(path, radius=WIDE).expected("k", 0, MODEL, at(0, 30, 60, 120))
    assert near == ["000", "000", "000", "120"]
    assert marks(path, radius=NARROW).expected("k", 0, MODEL, at(0, 30)) == ["000", "030"]


def test_the_nearer_mark_wins_and_real_wins_if_both_are_as_near(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("expected", "0") + line("real", "20"))
    found = marks(path, radius=2.0)
    assert [name is None for name in found.expected("k", 0, MODEL, at(5, 15))] == [False, True]
    assert found.real("k", 0, MODEL, at(5, 15)).tolist() == [False, True]
    path.write_text(line("expected", "0", id="one") + line("real", "0", id="two"))
    assert found.expected("k", 0, MODEL, at(0)) == [None]
    assert found.real("k", 0, MODEL, at(0)).tolist() == [True]


def test_a_mark_is_about_its_key_or_all_keys(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("real", "0", key="a") + line("real", "90", key="b") + line("real", "180"))
    found = marks(path)
    vectors = at(0, 90, 180)
    assert found.real("a", 0, MODEL, vectors).tolist() == [True, False, True]
    assert found.real("b", 0, MODEL, vectors).tolist() == [False, True, True]
    assert found.real("c", 0, MODEL, vectors).tolist() == [False, False, True]
    assert found.real(None, 0, MODEL, vectors).tolist() == [True, True, True]


def test_marks_are_embedded_once_by_each_version_and_never_compared_across_versions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, embedder = tmp_path / "marks.jsonl", Plane()
    path.write_text(line("real", "0"))
    found = marks(path, embedder=embedder)
    for end in range(20):
        assert found.real("k", end, MODEL, at(0)).all()
    for end in range(2):
        assert not found.real("k", end, "m 2", at(0)).any()
    assert [record.message for record in caplog.records] == [
        "marks do not count in some windows: m 2 embeds them, and this process has m 1"
    ]
    assert not found.real("k", 0, None, at(0)).any()
    embedder.version = "2"
    assert found.real("k", 20, "m 2", at(0)).all()
    assert found.real("k", 20, MODEL, at(0)).all()
    assert embedder.asked == ["0", "0"]


def test_a_text_that_the_model_refuses_does_not_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("real", "refused") + line("real", "90"))
    found = marks(path)
    for end in (0, 1):
        assert found.real("k", end, MODEL, at(0, 90)).tolist() == [False, True]
    assert [record.message for record in caplog.records] == [
        "the model refuses the text of a mark, which does not count: too long"
    ]


def test_texts_are_masked_as_those_of_events(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line("real", "port 0"))
    found = marks(path, mask=("number",))
    with pytest.raises(ValueError, match="port <number>"):
        found.real("k", 0, MODEL, at(0))


def test_only_files_and_tables_are_read(tmp_path: Path) -> None:
    assert open_marks(load({}), Plane()) is UNMARKED
    for uri in ("kafka://a:9092/marks", "marks.csv", "s3://bucket/marks.jsonl"):
        with pytest.raises(SettingsError, match=r"^alert.marks=.*: write file:PATH.jsonl or delta:PATH$"):
            open_marks(load({"DRIFTLINE_ALERT__MARKS": uri}), Plane())
    with pytest.raises(SettingsError, match=r"^alert.marks needs a reference"):
        load({"DRIFTLINE_ALERT__MARKS": "marks.jsonl", "DRIFTLINE_SCORE__REFERENCE": "false"})
