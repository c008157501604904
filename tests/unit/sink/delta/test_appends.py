"""What a Delta sink appends: the columns, the day, the metadata; and what ends the flow."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import OutageError, SettingsError, SourceError, UnreachableError
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import (
    DEAD_LETTER,
    EVIDENCE,
    EXPLANATION,
    POSITION,
    SAMPLE_SHARE,
    SCORED,
    TIMESTAMP,
    dead_letters,
)
from dataflow.settings import Settings, of_metadata
from dataflow.settings.provenance import METADATA, provenance
from tests.support.delta_sinks import DAY, NEVER, ids, late, sink
from tests.support.tables import appended, commits


def test_a_table_has_a_partition_for_each_day(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a", day=0), late("b", day=1)])
    part.close()
    table = DeltaTable(tmp_path / "t")
    assert table.metadata().partition_columns == ["day"]
    days = table.to_pyarrow_table(columns=["id", "day"]).to_pylist()
    assert {row["id"]: row["day"] for row in days} == {
        "a": DAY.date(),
        "b": DAY.date() + timedelta(days=1),
    }


def test_a_dead_letter_is_of_the_day_when_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow.sink.delta.utc_now", lambda: DAY + timedelta(hours=23))
    part = sink(tmp_path / "t", stream="dead_letters")
    part.write_batch([dead_letters([("malformed", "not JSON", "p", 7, b"\xff")])])
    part.close()
    (row,) = DeltaTable(tmp_path / "t").to_pyarrow_table().to_pylist()
    assert row == {
        "reason": "malformed", "message": "not JSON", "partition": "p", "offset": 7, "raw": b"\xff",
        "envelope": "{}", "day": DAY.date(),
    }  # fmt: skip
    assert [field.name for field in DEAD_LETTER] == list(row)[:-1]


def test_a_commit_says_which_settings_made_its_rows(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    part.close()
    (commit,) = DeltaTable(tmp_path / "t").history()
    text = commit[METADATA.decode()]
    assert json.loads(text) == provenance(Settings())
    assert of_metadata({METADATA: text.encode()}) == provenance(Settings())


def test_order_is_kept_within_a_day(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    names = [f"e{n}" for n in range(30_000)]
    part.write_batch([late(*names[at : at + 1000]) for at in range(0, 30_000, 1000)])
    part.close()
    assert [name for batch in appended(tmp_path / "t") for name in batch["id"].to_pylist()] == names


def refused(tmp_path: Path, state: Any = None, **options: Any) -> str:
    def write() -> None:
        part = sink(tmp_path / "t", state, **options)
        part.write_batch([late("a")])
        part.snapshot()

    with pytest.raises((SettingsError, SourceError)) as caught:
        write()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", pa.table({"id": ["a"], "day": ["b"], "more": [1]}))
    line = refused(tmp_path)
    assert "has other columns than the rows of this flow: attributes, day, key, late_by_us" in line
    assert "more" in line
    assert "id," not in line


def test_columns_that_settings_add_are_named(tmp_path: Path) -> None:
    row: dict[str, Any] = {field.name: None for field in SCORED}
    values: dict[pa.DataType, Any] = {
        pa.string(): "[]", pa.int32(): 1, pa.int64(): 2, pa.float64(): 0.5, TIMESTAMP: DAY
    }  # fmt: skip
    rows = pa.RecordBatch.from_pylist([{name: values[SCORED.field(name).type] for name in row}], SCORED)
    part = sink(tmp_path / "t", stream="scores", append_every=NEVER)
    part.write_batch([rows])
    part.close()
    more = rows.append_column(SAMPLE_SHARE, pa.array([0.5]))
    resumed = sink(tmp_path / "t", part.snapshot(), stream="scores", append_every=NEVER)
    with pytest.raises(SourceError, match="other columns than the rows of this flow: sample_share;"):
        resumed.write_batch([more])


def test_a_table_of_an_older_version_gets_the_columns_of_the_position(tmp_path: Path) -> None:
    values: dict[pa.DataType, Any] = {
        pa.string(): "[]", pa.int32(): 1, pa.int64(): 2, pa.float64(): 0.5, TIMESTAMP: DAY
    }  # fmt: skip
    row = {field.name: values[field.type] for field in SCORED}
    old = pa.schema([field for field in SCORED if field.name not in POSITION])
    state = None
    for schema in (old, SCORED, SCORED):
        part = sink(tmp_path / "t", state, stream="scores")
        part.write_batch([pa.RecordBatch.from_pylist([row], schema)])
        state = part.snapshot()
    found = DeltaTable(tmp_path / "t").to_pyarrow_table().select(POSITION).to_pylist()
    assert sorted(found, key=str) == [{"partition": "[]", "offset": 2}] * 2 + [dict.fromkeys(POSITION)]


def test_a_table_that_lost_the_rows_of_the_state_is_refused(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    state = part.snapshot()
    (tmp_path / "t").rename(tmp_path / "moved")
    assert "has 0 appends of this flow, and had 1 before" in refused(tmp_path, state)


def test_a_second_flow_with_the_same_store_is_refused(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    other = sink(tmp_path / "t")
    other.write_batch([late("b")])
    other.snapshot()
    with pytest.raises(SourceError, match="another flow with this recovery store"):
        part.snapshot()


def test_an_append_whose_answer_was_lost_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, real = [], delta.library().write_deltalake

    def write(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        written.append(1)
        raise OSError("the connection was lost")

    part = sink(tmp_path / "t")
    monkeypatch.setattr(delta.library(), "write_deltalake", write)
    monkeypatch.setattr(delta.Location, "local", property(lambda _: False))
    monkeypatch.setattr("dataflow.sink.delta.appends.time.sleep", lambda _: None)
    part._table._outage._sleep = lambda _: None
    part.write_batch([late("a")])
    part.snapshot()
    assert (ids(tmp_path / "t"), written) == (["a"], [1])


def test_a_store_that_gives_no_answer_ends_the_flow_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise UnreachableError("no answer")

    part = sink(tmp_path / "t")
    now = iter(range(0, 10_000, 100))
    part._table._outage._sleep, part._table._outage._clock = lambda _: None, lambda: float(next(now))
    monkeypatch.setattr(part._table, "_append", fail)
    part.write_batch([late("a")])
    with pytest.raises(OutageError, match="gave no answer for 300 s"):
        part.snapshot()


def test_other_writers_may_append_to_the_table(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    state = part.snapshot()
    table = DeltaTable(tmp_path / "t")
    rows = table.to_pyarrow_table().slice(0, 1)
    transaction = CommitProperties(app_transactions=[Transaction("other", 99)])
    write_deltalake(table, rows, mode="append", commit_properties=transaction)
    part.write_batch([late("b")])
    part.snapshot()
    resumed = sink(tmp_path / "t", state)
    resumed.write_batch([late("b", "c")])
    resumed.snapshot()
    assert sorted(ids(tmp_path / "t")) == ["a", "a", "b", "c"]


def test_a_log_that_no_longer_says_which_rows_are_known_is_refused(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    state = part.snapshot()
    part.write_batch([late("b")])
    part.snapshot()
    (file,) = (tmp_path / "t").rglob(Path(commits(tmp_path / "t")[1][1]["add"]["path"]).name)
    file.unlink()
    assert "was cleaned up, and says which rows the last snapshot does not cover" in refused(tmp_path, state)


def test_scores_with_all_their_columns_are_appended_and_read_back(tmp_path: Path) -> None:
    schema = pa.schema([*SCORED, SAMPLE_SHARE, *EVIDENCE, EXPLANATION, embedding_field(3)])
    values: dict[pa.DataType, Any] = {
        pa.string(): "[]", pa.int32(): 1, pa.int64(): 2, pa.float64(): 0.5, TIMESTAMP: DAY,
        embedding_field(3).type: [1, 2, 3],
        EXPLANATION.type: {
            "nearest": "a", "nearest_ts": None, "similarity": 0.5, "new": ["b"], "missing": [], "seen": 1,
            "sentence": "c",
        },
    }  # fmt: skip
    row = {field.name: values[field.type] for field in schema}
    rows = pa.RecordBatch.from_pylist([row, row | {"explanation": None, "novelty": None}], schema)
    state = None
    for _ in range(2):
        part = sink(tmp_path / "t", state, stream="scores")
        part.write_batch([rows])
        state = part.snapshot()
    found = DeltaTable(tmp_path / "t").to_pyarrow_table()
    assert len(found) == 4
    assert found.select(schema.names).slice(0, 2).to_pylist() == rows.to_pylist()
