"""Delta tables in a test."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq


def commits(table: Path) -> list[list[dict[str, Any]]]:
    """The actions of each commit of a table whose log is whole."""
    paths = sorted((table / "_delta_log").glob("*.json"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def appended(table: Path) -> list[pa.RecordBatch]:
    """The rows that each commit added, in order, without the columns of the partition."""
    files = [unquote(each["add"]["path"]) for actions in commits(table) for each in actions if "add" in each]
    return [batch for file in files for batch in pq.ParquetFile(table / file).iter_batches()]
