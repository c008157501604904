"""Delta sinks in a test, without a flow."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from dataflow.items.schemas import LATE, TIMESTAMP
from dataflow.settings import Delta, Settings
from dataflow.sink import Stream, open_sink

DAY = datetime(2026, 11, 23, tzinfo=timezone.utc)
NEVER, AT_ONCE = timedelta(days=1), timedelta(0)
AT_EACH_SNAPSHOT = Settings(delta=Delta(append_every=AT_ONCE))


def late(*ids: str, day: int = 0) -> pa.RecordBatch:
    """Late events of the day that is ``day`` days after ``DAY``."""
    values: dict[pa.DataType, Any] = {pa.string(): "[]", pa.int64(): 1, TIMESTAMP: DAY + timedelta(days=day)}
    row = {field.name: values[field.type] for field in LATE}
    return pa.RecordBatch.from_pylist([row | {"id": each} for each in ids], LATE)


def sink(
    uri: str | Path, state: Any = None, *, store: str | None = "s", stream: Stream = "late", **options: Any
) -> Any:
    """The partition of a Delta sink, which appends at each snapshot."""
    settings = Settings(delta=Delta(**{"append_every": AT_ONCE} | options))
    opened: Any = open_sink(f"delta:{uri}", settings, stream=stream, store=store)
    (part,) = opened.list_parts()
    return opened.build_part("s", part, state)


def ids(table: Path) -> list[str]:
    """The ids in the table, in any order."""
    found: list[str] = DeltaTable(table).to_pyarrow_table()["id"].to_pylist()
    return found
