"""Finds the newest row of ``sink.alerts`` about an incident."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.endpoints.delta_rows import TableRows
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SourceError
from dataflow.marks.open import location_of
from dataflow.settings import Settings

#: The columns of ``ALERT`` that marks need.
_COLUMNS = ("incident", "sequence", "kind", "key", "examples")
_ROWS = 4096


def newest_row(text: str, incident: str, settings: Settings) -> Mapping[str, Any]:
    """The newest row about ``incident`` at the URI ``text``: a file of JSON lines, or a Delta table.

    Raises ``SourceError`` and ``SettingsError``.
    """
    uri = parse_uri(text)
    if uri.scheme == "delta":
        rows = _of_table(location_of(text, settings), incident)
    else:
        rows = _of_file(Path(uri.path), incident)
    found = list(rows)
    if not found:
        raise SourceError(f"{text}: no incident {incident}; name one of this file or table")
    return max(enumerate(found), key=lambda each: (each[1].get("sequence", 0), each[0]))[1]


def _of_file(path: Path, incident: str) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            for raw in file:
                if incident.encode() in raw and (row := orjson.loads(raw))["incident"] == incident:
                    yield row
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; name the file that sink.alerts writes") from None
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise SourceError(f"{path}: holds no alerts; name the file that sink.alerts writes") from None


def _of_table(where: Location, incident: str) -> Iterator[Mapping[str, Any]]:
    rows = TableRows(where, delta.open_table(where))
    if any(name not in rows.schema.names for name in _COLUMNS):
        raise SourceError(f"{where.text}: holds no alerts; name the table that sink.alerts writes")
    for _, batch in rows.batches(where.file_system(), _COLUMNS, _ROWS):
        yield from batch.filter(pc.equal(batch.column("incident"), incident)).to_pylist()
