"""Appends marks to where they are."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.errors import SourceError, UnreachableError
from dataflow.items.schemas import TIMESTAMP
from dataflow.marks.line import Mark, parse
from dataflow.marks.open import location_of, path_of
from dataflow.settings import Settings

_TYPES = {"format": pa.int32(), "ts": TIMESTAMP, "until": TIMESTAMP}
#: The columns of a table of marks.
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in Mark.model_fields])
#: The waits before an object store that gives no answer is asked again, in seconds.
_WAITS_S = (1.0, 2.0, 4.0)


def append(text: str, rows: Sequence[Mapping[str, Any]], settings: Settings) -> None:
    """Append ``rows``, each the fields of a mark, to the file or the table that the URI ``text`` names. A
    file or a table that is not there is made.

    Raises ``SourceError`` if that is not possible, ``UnreachableError`` if the object store gives no answer.
    """
    if (path := path_of(text)) is None:
        _to_table(location_of(text, settings), rows)
    else:
        _to_file(path, rows)


def _to_file(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                is_whole = file.read() == b"\n"
            else:
                is_whole = True
            # One write, so that the lines of two processes do not mix.
            lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
            file.write((b"" if is_whole else b"\n") + lines)
    except OSError as error:
        raise SourceError(f"{path}: cannot be written: {error.strerror}; name another file") from None


def _to_table(where: Location, rows: Sequence[Mapping[str, Any]]) -> None:
    """One commit. If its answer is lost, it may come twice, which changes nothing: equal marks are one."""
    full = [parse(orjson.dumps(row)).model_dump() for row in rows]
    table, library = pa.Table.from_pylist(full, SCHEMA), delta.library()
    for wait in (*_WAITS_S, None):
        try:
            with delta.explained(where):
                library.write_deltalake(
                    where.url,
                    table,
                    mode="append",
                    schema_mode="merge",
                    storage_options=where.options or None,
                )
        except UnreachableError:
            if wait is None:
                raise
            time.sleep(wait)
        else:
            return
