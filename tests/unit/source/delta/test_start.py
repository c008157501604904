"""Where a Delta source begins to read."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.endpoints import delta
from dataflow.source.delta.partition import ROWS_OF_VERSION
from tests.support.plain import stored
from tests.support.sources import rows
from tests.support.tables import TS, ids, part, read, refused


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


def test_a_snapshot_of_a_table_without_partitions(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1, 2], "ts": [TS] * 2, "text": ["a", "b"]}))
    assert ids(read(tmp_path, "&start=snapshot")) == [1, 2]


@pytest.mark.parametrize("start", ["0", "1", "2000-01-01"])
def test_a_start_that_was_cleaned_up_is_refused(cleaned: Path, start: str) -> None:
    assert "the log was cleaned up and begins" in refused(cleaned, f"&start={start}")


def test_a_first_version_that_was_cleaned_up_while_it_was_read_is_named(cleaned: Path) -> None:
    first = part(cleaned, batch_rows=2)
    rows(first, 1)
    DeltaTable(cleaned).create_checkpoint()
    (cleaned / delta.commit_path(2)).unlink()
    (cleaned / "_delta_log" / f"{2:020d}.checkpoint.parquet").unlink()
    line = refused(cleaned, state=first.snapshot())
    assert "version 2, where the source began, can no longer be read" in line
