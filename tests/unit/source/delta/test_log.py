"""Versions and tables that would lose or repeat rows are refused in one line, or left out."""

import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import SettingsError, SourceError
from dataflow.source.delta.log import TableLog
from tests.support.sources import opened, rows
from tests.support.tables import append, edit, ids, part, read, refused


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
    with pytest.raises(SettingsError, match="text_field='text': no such column"):
        log.added(3)
