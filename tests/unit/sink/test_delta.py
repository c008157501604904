"""A Delta table has each row once, whatever crashes, and says in one line what is wrong."""

import json
import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import OutageError, SettingsError, SourceError, UnreachableError
from dataflow.items.schemas import DEAD_LETTER, LATE, SAMPLE_SHARE, SCORED, TIMESTAMP, dead_letters
from dataflow.settings import Delta, Settings, of_metadata
from dataflow.settings.provenance import METADATA, provenance
from dataflow.sink import Stream, open_sink
from tests.support.plain import stored
from tests.support.tables import appended, commits

DAY = datetime(2026, 11, 23, tzinfo=timezone.utc)
NEVER, AT_ONCE = timedelta(days=1), timedelta(0)


def late(*ids: str, day: int = 0) -> pa.RecordBatch:
    values: dict[pa.DataType, Any] = {pa.string(): "[]", pa.int64(): 1, TIMESTAMP: DAY + timedelta(days=day)}
    row = {field.name: values[field.type] for field in LATE}
    return pa.RecordBatch.from_pylist([row | {"id": each} for each in ids], LATE)


def sink(
    uri: str | Path, state: Any = None, *, store: str | None = "s", stream: Stream = "late", **options: Any
) -> Any:
    settings = Settings(delta=Delta(**{"append_every": AT_ONCE} | options))
    opened: Any = open_sink(f"delta:{uri}", settings, stream=stream, store=store)
    (part,) = opened.list_parts()
    return opened.build_part("s", part, state)


def ids(table: Path) -> list[str]:
    found: list[str] = DeltaTable(table).to_pyarrow_table()["id"].to_pylist()
    return found


def play(table: Path, rows: list[str], rng: random.Random) -> None:
    """Write ``rows``, with crashes after which the rows come again in another order and in other batches."""
    saved: list[tuple[Any, Counter[str]]] = [(None, Counter())]
    for crashes in (True, True, True, False):
        # Bytewax may not have finished the newest snapshots.
        state, covered = saved[-min(len(saved), rng.randint(1, 3))]
        saved = [(state, covered)]
        options = {
            "append_every": rng.choice([AT_ONCE, NEVER]),
            "append_bytes": rng.choice([1, 1500, 1 << 20]),
        }
        part = sink(table, state, **options)
        todo = sorted((Counter(rows) - covered).elements(), key=lambda _: rng.random())
        while todo:
            taken, todo = todo[: (size := rng.randint(1, 6))], todo[size:]
            part.write_batch([late(*taken, day=rng.randint(0, 1))])
            covered = covered + Counter(taken)
            if rng.random() < 0.5:
                saved.append((stored(part.snapshot()), covered))
            if crashes and rng.random() < 0.3:
                break
        if not crashes or rng.random() < 0.3:
            part.close()
        if rng.random() < 0.3 and DeltaTable.is_deltatable(table):
            DeltaTable(table).optimize.compact()


@pytest.mark.parametrize("seed", range(25))
def test_each_row_is_there_once_wherever_the_flow_crashes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows = [f"e{rng.randint(0, 40)}" for _ in range(40)]  # some events came several times
    play(tmp_path / "t", rows, rng)
    assert Counter(ids(tmp_path / "t")) == Counter(rows)


def test_nothing_is_removed_from_the_table(tmp_path: Path) -> None:
    """So that others can follow the table."""
    play(tmp_path / "t", [f"e{n}" for n in range(40)], random.Random(0))
    changes = [action for actions in commits(tmp_path / "t") for action in actions]
    assert not any(action["remove"]["dataChange"] for action in changes if "remove" in action)


def test_a_crash_after_the_append_and_before_the_first_snapshot_brings_no_row_twice(tmp_path: Path) -> None:
    sink(tmp_path / "t").write_batch([late("a", "b")])
    first = sink(tmp_path / "t")
    first.write_batch([late("a", "b")])
    first.snapshot()  # and this snapshot is lost
    resumed = sink(tmp_path / "t")
    resumed.write_batch([late("b"), late("a", "c")])
    resumed.snapshot()
    assert sorted(ids(tmp_path / "t")) == ["a", "b", "c"]


@pytest.mark.parametrize("stores", [("one", "other"), (None, None)], ids=["another store", "no store"])
def test_a_new_start_appends_all_rows(tmp_path: Path, stores: tuple[str | None, str | None]) -> None:
    for store in stores:
        part = sink(tmp_path / "t", store=store)
        part.write_batch([late("a")])
        part.close()
    assert ids(tmp_path / "t") == ["a", "a"]


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
    monkeypatch.setattr("dataflow.sink.delta_appends.time.sleep", lambda _: None)
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


def test_rows_wait_in_the_state_until_their_time_or_size_is_reached(tmp_path: Path) -> None:
    part = sink(tmp_path / "t", append_every=NEVER)
    part.write_batch([late("a"), late("b")])
    state = part.snapshot()
    assert not DeltaTable.is_deltatable(tmp_path / "t")
    resumed = sink(tmp_path / "t", state, append_every=NEVER)
    resumed.write_batch([late("c")])
    assert not DeltaTable.is_deltatable(tmp_path / "t")
    large = sink(tmp_path / "t", resumed.snapshot(), append_every=NEVER, append_bytes=1000)
    for number in range(20):
        large.write_batch([late(f"d{number}")])
    first = appended(tmp_path / "t")[0]["id"].to_pylist()
    assert first[:4] == ["a", "b", "c", "d0"]
    assert 1 < len(commits(tmp_path / "t")) < 10


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
        "day": DAY.date(),
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
        pa.string(): "[]", pa.int32(): 1, pa.float64(): 0.5, TIMESTAMP: DAY
    }  # fmt: skip
    rows = pa.RecordBatch.from_pylist([{name: values[SCORED.field(name).type] for name in row}], SCORED)
    part = sink(tmp_path / "t", stream="scores", append_every=NEVER)
    part.write_batch([rows])
    part.close()
    more = rows.append_column(SAMPLE_SHARE, pa.array([0.5]))
    resumed = sink(tmp_path / "t", part.snapshot(), stream="scores", append_every=NEVER)
    with pytest.raises(SourceError, match="other columns than the rows of this flow: sample_share;"):
        resumed.write_batch([more])


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


def test_a_log_that_no_longer_says_which_rows_are_known_is_refused(tmp_path: Path) -> None:
    part = sink(tmp_path / "t")
    part.write_batch([late("a")])
    state = part.snapshot()
    part.write_batch([late("b")])
    part.snapshot()
    (file,) = (tmp_path / "t").rglob(Path(commits(tmp_path / "t")[1][1]["add"]["path"]).name)
    file.unlink()
    assert "was cleaned up, and says which rows the last snapshot does not cover" in refused(tmp_path, state)


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
