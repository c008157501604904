"""The Delta table of marks changes while it is read."""

import json
import logging
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.endpoints.delta import Location
from dataflow.errors import SourceError, UnreachableError
from dataflow.marks.append import append
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import counting
from dataflow.marks.open import open_store
from dataflow.marks.table import MarksTable
from dataflow.settings import Settings, load
from dataflow.telemetry import metrics
from tests.support.marks import line
from tests.support.object_store import object_store

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


def opened(path: object) -> MarksTable:
    table = MarksTable(Location(f"delta:{path}", str(path), {}), 0.0)
    table.open()
    return table


def write(path: Path, mode: Any = "append", **columns: list[Any]) -> None:
    write_deltalake(path, pa.table(columns), mode=mode, schema_mode="merge")


def texts(table: MarksTable) -> list[str]:
    table.look()
    return sorted(mark.text or "" for mark in table.marks)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.message}" for record in caplog.records]


def test_a_table_is_read_when_it_has_a_new_version_and_not_else(tmp_path: Path) -> None:
    write(tmp_path, mark=["real"], ts=[AT], text=["a"])
    table = opened(tmp_path)
    assert [table.look(), table.look()] == [False, False]
    write(tmp_path, mark=["real"], ts=[AT], text=["b"], by=["ana"])
    assert texts(table) == ["a", "b"]
    DeltaTable(tmp_path).update(predicate="text = 'a'", updates={"text": "'c'"})
    assert texts(table) == ["b", "c"]
    DeltaTable(tmp_path).delete("text = 'b'")
    assert texts(table) == ["c"]
    shutil.rmtree(tmp_path)
    write(tmp_path, mark=["real"], ts=[AT], text=["d"])
    assert texts(table) == ["d"]


def test_a_table_is_looked_at_once_in_an_interval(tmp_path: Path) -> None:
    write(tmp_path, mark=["real"], ts=[AT], text=["a"])
    now = [100.0]
    table = MarksTable(Location("delta:t", str(tmp_path), {}), 5.0, clock=lambda: now[0])
    table.open()
    write(tmp_path, mark=["real"], ts=[AT], text=["b"])
    found = []
    for now[0] in (104.9, 105.0, 105.1):
        found.append(table.look())
    assert found == [False, True, False]


def test_a_table_may_come_later_and_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "marks"
    table = opened(path)
    assert [texts(table), texts(table)] == [[], []]
    write(path, mark=["real"], ts=[AT], text=["a"])
    assert texts(table) == ["a"]
    path.rename(tmp_path / "away")
    assert [texts(table), texts(table)] == [["a"], ["a"]]
    (tmp_path / "away").rename(path)
    assert texts(table) == ["a"]
    assert said(caplog) == [
        f"INFO delta:{path}: there are no marks until the table is there",
        f"INFO delta:{path}: the marks can be read",
        f"WARNING delta:{path}: no Delta table; write the path of a folder with a _delta_log; the 1 rows "
        "that were read count until it can be read again",
        f"INFO delta:{path}: the marks can be read",
    ]


def test_wrong_rows_are_named_and_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = metrics.MARK_ERRORS._value.get()
    write(
        tmp_path,
        mark=["real", "expcted", None, "real"],
        ts=[AT] * 4,
        text=["a", "secret", "secret", " "],
        untill=[None, None, AT, None],
    )
    table = opened(tmp_path)
    assert texts(table) == ["a"]
    write(tmp_path, mark=["real"], ts=[AT], text=["b"])
    DeltaTable(tmp_path).optimize.compact()
    assert texts(table) == ["a", "b"]
    assert metrics.MARK_ERRORS._value.get() == before + 3
    lines = [each.partition(".parquet, ")[2] for each in said(caplog) if ".parquet" in each]
    assert lines == [
        "row 2: mark='expcted': Input should be 'expected', 'real' or 'none'; the row is left out: write a "
        "correct one",
        "row 3: mark: Field required; the row is left out: write a correct one",
        "row 4: text: is blank; the row is left out: write a correct one",
    ]
    assert [each for each in said(caplog) if "untill" in each] == [
        f"WARNING delta:{tmp_path}: marks have no such columns, which are not read: untill"
    ]


@pytest.mark.parametrize(
    ("ts", "is_read"),
    [
        (pa.array([0], pa.timestamp("ns", "UTC")), True),
        (pa.array(["1970-01-01T00:00:00Z"]), True),
        (pa.array([0], pa.timestamp("us")), False),
        (pa.array([0], pa.date32()), False),
        (pa.array([1 << 60], pa.timestamp("us", "UTC")), False),
        (pa.array([b"\xff"]), False),
    ],
)
def test_a_time_has_a_zone_and_a_year_of_four_digits(tmp_path: Path, ts: pa.Array, is_read: bool) -> None:
    write_deltalake(tmp_path, pa.table({"mark": ["real"], "text": ["a"], "ts": ts}))
    assert [mark.first for mark in opened(tmp_path).marks] == ([0] if is_read else [])


def test_a_table_without_the_columns_of_marks_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "other", text=["a"], ts=[AT])
    with pytest.raises(SourceError, match=r"other: has no column 'mark'; name a table of marks$"):
        opened(tmp_path / "other")
    (tmp_path / "broken/_delta_log").mkdir(parents=True)
    (tmp_path / "broken/_delta_log/00000000000000000000.json").write_text("{")
    with pytest.raises(SourceError, match=r"^delta:.*broken"):
        opened(tmp_path / "broken")


def test_partition_columns_are_read(tmp_path: Path) -> None:
    rows = pa.table({"mark": ["real", "real"], "ts": [AT] * 2, "text": ["a", "b"], "key": ["x y", None]})
    write_deltalake(tmp_path, rows, partition_by=["key"])
    assert {(mark.text, mark.key) for mark in opened(tmp_path).marks} == {("a", "x y"), ("b", None)}


@pytest.mark.parametrize("kinds", [("expected", "real"), ("expected", "none"), ("real", "none")])
def test_of_marks_of_one_time_taken_back_counts_before_real_and_real_before_expected(
    tmp_path: Path, kinds: tuple[str, str]
) -> None:
    for name, order in (("a", kinds), ("b", kinds[::-1])):
        notes = list("xy")
        write(tmp_path / name, mark=list(order), ts=[AT] * 2, text=["t"] * 2, note=notes, by=notes[::-1])
        assert [mark.mark for mark in opened(tmp_path / name).marks] == list(kinds)


def test_rows_are_counted_in_each_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for note in "xy":
        write(tmp_path, mark=["real", "no"], ts=[AT] * 2, text=["a"] * 2, note=[note] * 2)
    opened(tmp_path)
    assert [each.partition(".parquet, ")[2][:5] for each in said(caplog)] == ["row 2", "row 2"]


MARK = st.fixed_dictionaries(
    {
        "mark": st.sampled_from(["expected", "real", "none"]),
        "ts": st.integers(0, 3).map(lambda second: f"1970-01-01T00:00:0{second}Z"),
        "text": st.sampled_from("ab"),
    },
    optional={"key": st.sampled_from("xy"), "until": st.just("1970-01-01T00:00:05Z"), "note": st.just("n")},
)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(MARK, min_size=1, max_size=3), min_size=1, max_size=3), st.randoms())
def test_a_table_says_what_a_file_says_whatever_the_order_and_the_commits(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[dict[str, str]]], random: Any
) -> None:
    folder = tmp_path_factory.mktemp("marks")
    for commit in commits:
        append(f"delta:{folder}/table", commit, Settings())
    rows = [row for commit in commits for row in commit]
    random.shuffle(rows)
    append(f"delta:{folder}/other", rows, Settings())
    DeltaTable(folder / "table").optimize.compact()
    order = ("expected", "real", "none")
    rows.sort(key=lambda row: (row["ts"], order.index(row["mark"]), json.dumps(row, sort_keys=True)))
    (folder / "marks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stores = [open_store(f"delta:{folder}/{name}", Settings()) for name in ("table", "other")]
    stores.append(MarksFile(folder / "marks.jsonl"))
    stores[-1].look()
    for second in range(7):
        found = [
            [(mark.name, mark.mark, mark.end) for mark in counting(store.marks, second * 1_000_000)]
            for store in stores
        ]
        assert found[0] == found[1] == found[2]


def test_an_object_store_that_gives_no_answer_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with object_store() as store:
        environ = {
            "DRIFTLINE_DELTA__STORAGE_OPTIONS": json.dumps(store.options),
            "DRIFTLINE_DELTA__POLL_INTERVAL": "0.001s",
        }
        found = load(environ)
        append("delta:s3://bucket/marks", [json.loads(line("real", "a"))], found)
        marks = open_store("delta:s3://bucket/marks", found)
        assert [mark.text for mark in marks.marks] == ["a"]
        append("delta:s3://bucket/marks", [json.loads(line("real", "b"))], found)
        store.set_away(True)
        with pytest.raises(UnreachableError):
            open_store("delta:s3://bucket/marks", found)
        assert [marks.look(), marks.look()] == [False, False]
        assert [mark.text for mark in marks.marks] == ["a"]
        store.set_away(False)
        _until_read(marks)
        assert [mark.text for mark in marks.marks] == ["a", "b"]
    levels = [record.levelname for record in caplog.records if record.name == "dataflow.marks.table"]
    assert levels == ["WARNING", "INFO"]


def _until_read(marks: Any) -> None:
    while not marks.look():
        pass
