"""Delta tables in a test."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from dataflow.endpoints import delta
from dataflow.errors import DriftlineError
from tests.support.sources import Records, build, opened, rows

#: The time of each row.
TS = datetime(2026, 11, 23, 11, tzinfo=timezone.utc)


def commits(table: Path) -> list[list[dict[str, Any]]]:
    """The actions of each commit of a table whose log is whole."""
    paths = sorted((table / "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def appended(table: Path) -> list[pa.RecordBatch]:
    """The rows that each commit added, in order, without the columns of the partition."""
    files = [unquote(each["add"]["path"]) for actions in commits(table) for each in actions if "add" in each]
    return [batch for file in files for batch in pq.ParquetFile(table / file).iter_batches()]


def append(folder: Path, *ids: int, day: str = "a", **more: Any) -> None:
    """Append a row for each of ``ids`` in one commit."""
    columns = {"id": ids, "ts": [TS] * len(ids), "text": [f"text {n}" for n in ids], "day": [day] * len(ids)}
    table = pa.table(columns | {name: [value] * len(ids) for name, value in more.items()})
    write_deltalake(folder, table, mode="append", partition_by=["day"], schema_mode="merge")


def part(folder: Path, state: Any = None, options: str = "", **settings: Any) -> Any:
    """The partition of a source that reads the table to its end."""
    uri = f"delta:{folder}?tail=false{options}"
    (name,) = opened(uri, **settings).list_parts()
    return build(uri, name, state, **settings)


def read(folder: Path, options: str = "", **settings: Any) -> Records:
    """All records of the table."""
    return rows(part(folder, None, options, **settings))


def ids(records: Records) -> list[int]:
    """The ids of records."""
    return [json.loads(raw)["id"] for _, raw in records]


def refused(folder: Path, options: str = "", state: Any = None, **settings: Any) -> str:
    """The line with which the source refuses to read the table."""
    with pytest.raises(DriftlineError) as caught:
        rows(part(folder, state, options, **settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(table: Path, version: int, kind: str, **changes: Any) -> None:
    """Change the actions of one kind in a commit."""
    path = table / delta.commit_path(version)
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for action in actions:
        if kind in action:
            action[kind] |= changes
    path.write_text("\n".join(map(json.dumps, actions)))
