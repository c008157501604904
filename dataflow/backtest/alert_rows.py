"""Reads the rows of ``ALERT`` that a flow or a backtest wrote, wherever they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.backtest.of_parquet import BATCH_ROWS, read_errors
from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.endpoints.delta_rows import TableRows
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.alerts import ALERT, ALERT_FORMAT
from dataflow.settings import Settings

_TIMES = ("decided", "window_start", "window_end", "first_ts", "last_ts")
_NAMES = ("alerts.jsonl", "alerts.parquet", "alerts")

Row = dict[str, Any]


class AlertRows(NamedTuple):
    """Where rows of ``ALERT`` are: a file, a folder of Parquet files, or a Delta table."""

    where: Path | Location

    @property
    def name(self) -> str:
        """What errors and reports name."""
        return str(self.where) if isinstance(self.where, Path) else self.where.text

    def read(self) -> list[Row]:
        """The rows. Times become integers, except those in examples. Raises ``SourceError``."""
        if isinstance(self.where, Location):
            return list(_of_table(self.where))
        return list(_of_parquet(self.where) if self.where.suffix == ".parquet" else _of_lines(self.where))


def find_alerts(text: str, settings: Settings) -> AlertRows | None:
    """The alerts at the URI ``text``: a file, a Delta table, or the output of ``sink.alerts`` in this folder;
    ``None``: there are none. Raises ``SettingsError``, ``SourceError`` and ``UnreachableError``.
    """
    uri = parse_uri(text)
    if uri.scheme == "delta":
        where = delta.location(settings, uri)
        inside = Location(f"{where.text}/alerts", f"{where.url}/alerts", where.options)
        return next((AlertRows(each) for each in (where, inside) if delta.find_table(each)), None)
    if uri.scheme != "file":
        raise SettingsError(f"{text}: alerts are read from file:PATH and delta:PATH")
    path = Path(uri.path)
    if path.is_file() or path.suffix == ".parquet":
        return AlertRows(path) if path.exists() else None
    found = [each for each in (path, *(path / name for name in _NAMES)) if _has_alerts(each)]
    if not found:
        return None
    is_table = (found[0] / "_delta_log").is_dir()
    return AlertRows(Location(f"delta:{found[0]}", str(found[0]), {}) if is_table else found[0])


def _has_alerts(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and (path.suffix == ".parquet" or (path / "_delta_log").is_dir()))


def _of_table(where: Location) -> Iterator[Row]:
    rows = TableRows(where, delta.open_table(where))
    columns = [name for name in rows.schema.names if name in ALERT.names]
    # Alerts of another format have other columns, and a row says its format.
    if missing := [name for name in ("format", "incident") if name not in columns]:
        raise SourceError(f"{where.text}: holds no alerts: {missing[0]} is missing; name that of sink.alerts")
    for _, batch in rows.batches(where.file_system(), columns, BATCH_ROWS):
        yield from (_checked(where.text, row) for row in _plain(pa.Table.from_batches([batch])).to_pylist())


def _of_parquet(path: Path) -> Iterator[Row]:
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with read_errors(file):
            rows = _plain(pq.read_table(file)).to_pylist()
        yield from (_checked(str(path), row) for row in rows)


def _plain(table: pa.Table) -> pa.Table:
    for name in _TIMES:
        if name in table.schema.names:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(pa.int64()))
    return table


def _of_lines(path: Path) -> Iterator[Row]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            if number == len(lines):
                return  # a flow is writing this line
            raise SourceError(f"{path}, line {number}: not JSON; name the file of sink.alerts") from None
        yield _checked(str(path), row) | {name: _micros(row[name]) for name in _TIMES}


def _micros(text: str) -> int:
    return int(np.datetime64(text[:-1], "us").astype(np.int64))


def _checked(name: str, row: Any) -> Row:
    if not isinstance(row, dict) or "incident" not in row:
        raise SourceError(f"{name}: holds no alerts; name the file of sink.alerts")
    if row["format"] != ALERT_FORMAT:
        raise SourceError(
            f"{name}: holds alerts of format {row['format']}; only {ALERT_FORMAT} can be compared"
        )
    return row
