"""A Delta table is read version by version, and all that would lose or repeat rows is refused in one line."""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import DriftlineError, SettingsError, SourceError, UnreachableError
from dataflow.source.delta import ROWS_OF_VERSION
from dataflow.source.delta_log import TableLog
from tests.support.plain import stored
from tests.support.sources import Records, build, opened, rows
from tests.support.tables import appended

TS = datetime(2026, 11, 23, 11, tzinfo=timezone.utc)


def append(folder: Path, *ids: int, day: str = "a", **more: Any) -> None:
    columns = {"id": ids, "ts": [TS] * len(ids), "text": [f"text {n}" for n in ids], "day": [day] * len(ids)}
    table = pa.table(columns | {name: [value] * len(ids) for name, value in more.items()})
    write_deltalake(folder, table, mode="append", partition_by=["day"], schema_mode="merge")


def part(folder: Path, state: Any = None, options: str = "", **settings: Any) -> Any:
    uri = f"delta:{folder}?tail=false{options}"
    (name,) = opened(uri, **settings).list_parts()
    return build(uri, name, state, **settings)


def read(folder: Path, options: str = "", **settings: Any) -> Records:
    return rows(part(folder, None, options, **settings))


def ids(records: Records) -> list[int]:
    return [json.loads(raw)["id"] for _, raw in records]


def refused(folder: Path, options: str = "", state: Any = None, **settings: Any) -> str:
    with pytest.raises(DriftlineError) as caught:
        rows(part(folder, state, options, **settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three versions: 0 to 2, 3 and 4 in two partitions, 5."""
    append(tmp_path / "t", 0, 1, 2)
    append(tmp_path / "t", 3)
    append(tmp_path / "t", 4, day="b")
    return tmp_path / "t"


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
        bounds = {"batch_rows": rng.randint(1, 8), "batch_bytes": rng.choice([1, 100, 1 << 20])}
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
    ("start", "expected"),
    [
        ("earliest", [0, 1, 2, 3, 4]),
        ("snapshot", [0, 1, 2, 3, 4]),
        ("latest", []),
        ("0", [0, 1, 2, 3, 4]),
        ("1", [3, 4]),
        ("3", []),
        ("2000-01-01", [0, 1, 2, 3, 4]),
        ("2100-01-01T00:00:00Z", []),
    ],
)
def test_where_it_starts(table: Path, start: str, expected: list[int]) -> None:
    assert sorted(ids(read(table, f"&start={start}"))) == expected


def test_a_start_time_is_that_of_the_commit(table: Path) -> None:
    for version in (0, 1, 2):
        path = table / delta.commit_path(version)
        lines = path.read_text().splitlines()
        first = json.loads(lines[0])
        first["commitInfo"]["timestamp"] = int((TS + timedelta(hours=version)).timestamp() * 1000)
        path.write_text("\n".join([json.dumps(first), *lines[1:]]))
    assert ids(read(table, "&start=2026-11-23T12:00:00Z")) == [3, 4]
    assert ids(read(table, "&start=2026-11-23T12:00:00.001Z")) == [4]
    assert ids(read(table, "&start=2026-11-23T12:30:00%2B01:00")) == [3, 4]


@pytest.fixture
def cleaned(table: Path) -> Path:
    """A table whose log begins with version 2, which has a checkpoint."""
    DeltaTable(table).create_checkpoint()
    for version in (0, 1):
        (table / delta.commit_path(version)).unlink()
    append(table, 5)
    return table


def test_the_earliest_of_a_log_that_was_cleaned_up_is_what_the_table_had_then(cleaned: Path) -> None:
    found = read(cleaned)
    assert sorted(ids(found[:-1])) == [0, 1, 2, 3, 4]
    assert found[-1][0] == 3 * ROWS_OF_VERSION
    first = part(cleaned, batch_rows=2)
    assert rows(first, 1) == found[:2]
    assert rows(part(cleaned, stored(first.snapshot()))) == found[2:]


def test_a_snapshot_has_the_rows_that_vacuum_left(table: Path) -> None:
    DeltaTable(table).optimize.compact()
    DeltaTable(table).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert sorted(ids(read(table, "&start=snapshot"))) == [0, 1, 2, 3, 4]
    assert "VACUUM has removed day=a/part-" in (line := refused(table))
    assert "start=snapshot" in line


@pytest.mark.parametrize("start", ["0", "1", "2000-01-01"])
def test_a_start_that_was_cleaned_up_is_refused(cleaned: Path, start: str) -> None:
    assert "the log was cleaned up and begins" in refused(cleaned, f"&start={start}")


def test_a_commit_that_was_cleaned_up_before_it_was_read_is_refused(table: Path) -> None:
    reading = part(table)
    rows(reading)
    state = reading.snapshot()
    append(table, 5)
    DeltaTable(table).create_checkpoint()
    (table / delta.commit_path(3)).unlink()
    assert "the commit of version 3 was cleaned up before it was read" in refused(table, state=state)


def delete(table: Path) -> None:
    DeltaTable(table).delete("id = 1")


def overwrite(table: Path) -> None:
    write_deltalake(table, DeltaTable(table).to_pyarrow_table().slice(0, 1), mode="overwrite")


def update(table: Path) -> None:
    DeltaTable(table).update(predicate="id = 1", updates={"text": "'other'"})


def restore(table: Path) -> None:
    DeltaTable(table).restore(0)


@pytest.mark.parametrize(
    ("change", "operation"),
    [(delete, "DELETE"), (overwrite, "WRITE"), (update, "UPDATE"), (restore, "RESTORE")],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_versions_that_remove_or_rewrite_rows_are_refused_or_left_out(
    table: Path, change: Any, operation: str
) -> None:
    change(table)
    append(table, 5)
    assert f"version 3 ({operation}) removes or rewrites rows that were read" in refused(table)
    assert ids(read(table, "&changes=skip")) == [0, 1, 2, 3, 4, 5]


def edit(table: Path, version: int, kind: str, **changes: Any) -> None:
    """Change the actions of one kind in a commit."""
    path = table / delta.commit_path(version)
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for action in actions:
        if kind in action:
            action[kind] |= changes
    path.write_text("\n".join(map(json.dumps, actions)))


def test_deletion_vectors_are_refused(table: Path) -> None:
    vector = {"storageType": "u", "pathOrInlineDv": "x" * 20, "offset": 1, "sizeInBytes": 1, "cardinality": 1}
    edit(table, 2, "add", deletionVector=vector)
    assert "version 2 has deletion vectors, which are not supported" in refused(table)


def test_a_shallow_clone_is_refused(table: Path) -> None:
    edit(table, 2, "add", path="s3://bucket/other/part.parquet")
    assert "version 2 is a shallow clone" in refused(table)


def test_column_mapping_is_refused(table: Path) -> None:
    schema = json.loads(DeltaTable(table).schema().to_json())
    for number, field in enumerate(schema["fields"]):
        name = field["name"]
        field["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": name}
    mapping = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "3"}
    edit(table, 0, "protocol", minReaderVersion=2, minWriterVersion=5)
    edit(table, 0, "metaData", configuration=mapping, schemaString=json.dumps(schema))
    assert "has column mapping, which is not supported" in refused(table)


def test_features_that_are_not_known_are_refused(table: Path) -> None:
    features = {"readerFeatures": ["typeWidening-preview"], "writerFeatures": ["typeWidening-preview"]}
    edit(table, 0, "protocol", minReaderVersion=3, minWriterVersion=7, **features)
    assert "typeWidening-preview" in refused(table)


def test_a_table_that_replaces_the_one_that_was_read_is_refused(table: Path, tmp_path: Path) -> None:
    reading = part(table)
    rows(reading)
    state = reading.snapshot()
    table.rename(tmp_path / "moved")
    assert "no Delta table" in refused(table, state=state)
    append(table, 0)
    assert "another table or an older copy" in refused(table, state=state)


def test_an_older_copy_of_the_table_is_refused(table: Path) -> None:
    reading = part(table)
    rows(reading)
    (table / delta.commit_path(2)).unlink()
    (table / delta.commit_path(1)).unlink()
    assert "was read up to version 3 before" in refused(table, state=reading.snapshot())


def test_a_table_that_is_replaced_while_it_is_read_is_refused(table: Path) -> None:
    reading = part(table)
    rows(reading)
    metadata = {"id": "other", "schemaString": DeltaTable(table).schema().to_json()}
    (table / delta.commit_path(3)).write_text(json.dumps({"metaData": metadata}))
    reading._end, reading._next_poll = False, 0
    with pytest.raises(SourceError, match="version 3 is of another table"):
        reading.next_batch()


def test_a_column_of_the_settings_that_disappears_is_named(table: Path) -> None:
    assert refused(table, text_field="message") == (
        "source.text_field='message': no such column; the table has id, ts, text, day"
    )
    log: TableLog = opened(f"delta:{table}")._log  # type: ignore[attr-defined]
    without = json.loads(DeltaTable(table).schema().to_json())
    without["fields"] = [field for field in without["fields"] if field["name"] != "text"]
    edit_path = table / delta.commit_path(3)
    metadata = {"id": log.identity, "schemaString": json.dumps(without)}
    edit_path.write_text(json.dumps({"metaData": metadata}))
    with pytest.raises(SettingsError, match="source.text_field='text': no such column"):
        log.added(3)


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
