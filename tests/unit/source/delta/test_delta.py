"""A Delta table is read version by version, each row once, and only what is asked for."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import UnreachableError
from dataflow.source import lag
from dataflow.source.delta import partition
from dataflow.source.delta.partition import ROWS_OF_VERSION
from dataflow.telemetry.live_objects import LiveObjects
from tests.support.plain import stored
from tests.support.sources import build, opened, rows
from tests.support.tables import TS, append, ids, part, read, refused


def grow(folder: Path, rng: random.Random) -> None:
    first = 0
    for _ in range(6):
        count = rng.randint(0, 30)
        more = {"extra": first} if rng.random() < 0.3 else {}
        append(folder, *range(first, first + count), day=rng.choice("a/ é%"), **more)
        first += count
        if rng.random() < 0.3:
            DeltaTable(folder).optimize.compact()


@pytest.mark.parametrize("seed", range(8))
def test_all_rows_come_once_in_order_however_they_are_read(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    grow(tmp_path / "t", rng)
    whole = read(tmp_path / "t")
    found: list[tuple[int, bytes]] = []
    state = None
    for _ in range(1000):
        bounds: dict[str, Any] = {
            "batch_rows": rng.randint(1, 8),
            "batch_bytes": rng.choice([1, 100, 1 << 20]),
        }
        again = part(tmp_path / "t", state, **bounds)
        taken = rows(again, rng.randint(1, 3))
        found += taken
        state = stored(again.snapshot())
        if not taken:
            break
    assert found == whole
    assert ids(whole) == sorted(ids(whole))
    assert set(ids(whole)) == set(DeltaTable(tmp_path / "t").to_pyarrow_table()["id"].to_pylist())


def test_an_offset_is_the_version_and_the_row(table: Path) -> None:
    step = ROWS_OF_VERSION
    assert [offset for offset, _ in read(table)] == [0, 1, 2, step, 2 * step]


def test_a_record_has_all_columns_in_the_order_of_the_table(table: Path) -> None:
    _, record = read(table)[-1]
    expected = {"id": 4, "ts": "2026-11-23T11:00:00.000000Z", "text": "text 4", "day": "b"}
    assert list(json.loads(record).items()) == list(expected.items())


@pytest.mark.parametrize("columns", ["", "day", "id", "day,id"])
def test_columns_are_those_that_are_named_and_those_of_the_settings(table: Path, columns: str) -> None:
    for _, record in read(table, f"&columns={columns}"):
        assert set(json.loads(record)) == {"ts", "text", *filter(None, columns.split(","))}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id >= 1 and id < 4", [1, 2, 3]),
        ("day = 'b'", [4]),
        ("day != 'b' and id in (0, 3, 4)", [0, 3]),
        ("text = 'text 2'", [2]),
        ("ts > '2026-11-23T11:00:00Z'", []),
        ("extra is null", [0, 1, 2, 3, 4]),
        ("extra = 7", [5]),
        ("extra is not null", [5]),
    ],
)
def test_a_filter_leaves_out_rows_and_changes_no_offset(
    table: Path, condition: str, expected: list[int]
) -> None:
    append(table, 5, extra=7)
    all_rows = dict(read(table, "&columns="))
    found = read(table, f"&columns=&filter={condition}", id_field=None)
    assert all(all_rows[offset] == raw for offset, raw in found)
    assert [json.loads(raw)["id"] for _, raw in read(table, f"&filter={condition}")] == expected
    assert len(found) == len(expected)


def test_row_groups_that_the_filter_excludes_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path / "t", *range(100))
    (file,) = (tmp_path / "t").rglob("*.parquet")
    pq.write_table(pq.ParquetFile(file).read(), file, row_group_size=10)
    groups: list[int] = []
    real = pq.ParquetFile.iter_batches

    def iter_batches(self: Any, rows: int, row_groups: Sequence[int], **more: Any) -> Any:
        groups.extend(row_groups)
        return real(self, rows, row_groups, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    found = read(tmp_path / "t", "&filter=id >= 35 and id < 52")
    assert [offset for offset, _ in found] == ids(found) == list(range(35, 52))
    assert groups == [3, 4, 5]


def test_a_file_is_read_a_part_at_a_time(tmp_path: Path) -> None:
    append(tmp_path / "t", *range(1000))
    reading = part(tmp_path / "t", batch_rows=10)
    rows(reading, 1)
    assert len(reading._backlog) < 20


def test_times_that_spark_wrote_as_int96_are_in_utc(tmp_path: Path) -> None:
    append(tmp_path / "t", 0)
    (file,) = (tmp_path / "t").rglob("*.parquet")
    pq.write_table(pq.ParquetFile(file).read(), file, use_deprecated_int96_timestamps=True)
    ((_, record),) = read(tmp_path / "t")
    assert json.loads(record)["ts"] == "2026-11-23T11:00:00.000000Z"


def test_versions_that_only_move_rows_bring_nothing(table: Path) -> None:
    before = read(table)
    DeltaTable(table).optimize.compact()
    DeltaTable(table).create_checkpoint()
    DeltaTable(table).alter.set_table_properties({"delta.logRetentionDuration": "interval 1 days"})
    assert read(table) == before


def test_a_table_is_followed(table: Path) -> None:
    uri = f"delta:{table}"
    (name,) = opened(uri).list_parts()
    following = build(uri, name)
    following._poll_s = 0.0
    assert len(rows(following, 5)) == 5
    assert following.next_batch() == []
    append(table, 5, 6)
    assert ids(rows(following, 5)) == [5, 6]


def test_columns_that_are_added_are_followed(table: Path) -> None:
    append(table, 5, extra=7)
    assert [json.loads(raw).get("extra") for _, raw in read(table)] == [None] * 5 + [7]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("&start=soon", "start=soon: must be earliest, latest, snapshot, a version, or a time"),
        ("&start=9", "start=9: the table is at version 2"),
        ("&changes=maybe", "changes=maybe: must be one of refuse, skip"),
        ("&columns=id,no", "columns: no column 'no'; the table has id, ts, text, day"),
        ("&filter=no = 1", "no column 'no'"),
        ("&filter=id", "expected a comparison"),
    ],
)
def test_wrong_options_are_refused(table: Path, options: str, says: str) -> None:
    assert says in refused(table, options)


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        assert "no Delta table; write the path of a folder with a _delta_log" in refused(folder)


def test_while_the_store_gives_no_answer_the_source_waits(
    table: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = read(table)
    real, failures = delta.read_commit, iter([False, True, True, False, True, False, False])

    def read_commit(*arguments: Any) -> Any:
        if next(failures):
            raise UnreachableError("delta:t: the object store gives no answer")
        return real(*arguments)

    reading = part(table)
    reading._poll_s = 0.0
    monkeypatch.setattr(delta, "read_commit", read_commit)
    assert rows(reading) == expected
    assert [record.getMessage() for record in caplog.records].count(
        "delta:t: the object store gives no answer; the source continues"
    ) == 2


def test_an_unreachable_store_is_named_and_secrets_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x",
        "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "sesame", "max_retries": "0",
    }  # fmt: skip
    where = delta.Location("delta:s3://bucket/t", "s3://bucket/t", options)
    with pytest.raises(UnreachableError, match="the object store gives no answer") as caught:
        delta.open_table(where)
    assert "\n" not in str(caught.value)
    assert "sesame" not in f"{caught.value}{where!r}"


def test_partition_columns_have_the_values_of_the_log(tmp_path: Path) -> None:
    columns = {
        "id": [1, 2], "ts": [TS, TS], "text": ["a", "b"], "n": [7, None], "d": [TS.date(), None],
        "at": pa.array([TS, None], pa.timestamp("us", "UTC")), "s": ["x", None], "b": [True, None],
    }  # fmt: skip
    names = ["n", "d", "at", "s", "b"]
    write_deltalake(tmp_path / "t", pa.table(columns), partition_by=names)
    found = {record["id"]: record for _, raw in read(tmp_path / "t") if (record := json.loads(raw))}
    assert [found[1][name] for name in names] == [7, "2026-11-23", "2026-11-23T11:00:00.000000Z", "x", True]
    assert [found[2][name] for name in names] == [None] * 5
    assert ids(read(tmp_path / "t", "&filter=at = '2026-11-23T11:00:00Z' and n = 7 and b = true")) == [1]
    assert sorted(ids(read(tmp_path / "t", "&start=snapshot"))) == [1, 2]


def test_a_file_that_is_broken_is_named(table: Path) -> None:
    file = next(table.rglob("*.parquet"))
    file.write_bytes(b"PAR1 and no more than that PAR1")
    assert f"{file.name} cannot be read" in refused(table)


def test_the_lag_is_the_versions_that_are_not_read_to_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "LAGS", LiveObjects())
    monkeypatch.setattr(partition, "LAGS", lag.LAGS)
    for version in range(5):
        append(tmp_path / "t", 2 * version, 2 * version + 1)
    reader = part(tmp_path / "t", batch_rows=2)
    (shown,) = lag.LAGS
    left = [shown.versions]
    for _ in range(5):
        assert len(rows(reader, 1)) == 2
        left.append(shown.versions)
    append(tmp_path / "t", 10, 11)
    for more in (2, 0):
        assert len(rows(reader, 1)) == more
        left.append(shown.versions)
    assert left == [None, 5, 4, 3, 2, 1, 1, 0]
