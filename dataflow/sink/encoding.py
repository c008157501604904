"""A batch as JSON, one object a row: what users, files and topics get.

Times are RFC 3339 in UTC with microseconds. What is JSON already (``attributes``, ``missed``) is put in
as it is. ``raw`` is a string if it is UTF-8; if not, ``raw_base64`` stands in its place. A number that
is not finite becomes ``null``.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items import schemas
from dataflow.items.schemas import TIMESTAMP

_JSON_COLUMNS = frozenset({"attributes", "missed"})
#: Of the message of a dead letter that is cut.
_MESSAGE_CHARACTERS = 1000

#: Which columns make a row of a stream what it is: the same row has the same after a replay.
IDENTITY = {
    "scores": ("key", "window_start", "id", "revision"),
    "late": ("key", "id"),
    "dead_letters": ("partition", "offset"),
    "windows": ("key", "window_start", "revision"),
}


def json_rows(batch: pa.RecordBatch) -> list[bytes]:
    """Each row as a JSON object in UTF-8, with a line end."""
    names = batch.schema.names
    columns = [_column(batch, name) for name in names]
    rows: Iterable[dict[str, Any]] = (
        dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
    )
    if "raw" in names:
        rows = map(_with_readable_raw, rows)
    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE) for row in rows]


def row_ids(batch: pa.RecordBatch, stream: str) -> list[bytes]:
    """The identity of each row: its columns as a JSON array, so that two identities never look the same."""
    columns = [batch.column(name) for name in IDENTITY[stream]]
    values = [(_rfc3339(c) if c.type == TIMESTAMP else c).to_pylist() for c in columns]
    return [orjson.dumps(identity) for identity in zip(*values, strict=True)]


def cut_dead_letter(row: bytes, limit: int) -> bytes:
    """``row``, a dead letter of ``json_rows`` without its line end, in ``limit`` bytes at most: its raw
    record is cut where it is too long, and ``raw_bytes`` says how long it was. ``limit``: at least 10,000.
    """
    if len(row) <= limit:
        return row
    letter = orjson.loads(row)
    text = letter.pop("raw", None)
    packed = letter.pop("raw_base64", "")
    whole = text.encode() if text is not None else b64decode(packed)
    letter["message"] = letter["message"][:_MESSAGE_CHARACTERS]
    letter["raw_bytes"] = len(whole)
    room = limit - len(orjson.dumps(letter | {"raw_base64": ""}))
    if text is None:
        letter["raw_base64"] = packed[: room // 4 * 4]
    else:
        letter["raw"] = _cut(text[:room], room)
    return orjson.dumps(letter)


def _cut(text: str, room: int) -> str:
    """The first characters of ``text`` that take ``room`` bytes as JSON at most."""
    fits, too_long = 0, len(text) + 1
    while fits + 1 < too_long:
        middle = (fits + too_long) // 2
        if len(orjson.dumps(text[:middle])) - 2 <= room:
            fits = middle
        else:
            too_long = middle
    return text[:fits]


def _column(batch: pa.RecordBatch, name: str) -> Iterable[Any]:
    column = batch.column(name)
    if name == "embedding":
        return schemas.embeddings(batch)
    if column.type == TIMESTAMP:
        column = _rfc3339(column)
    values: list[Any] = column.to_pylist()
    return map(orjson.Fragment, values) if name in _JSON_COLUMNS else values


def _rfc3339(times: pa.Array) -> pa.Array:
    # Not through Python's datetime: a window may start before the year 1. Without the zone, as Arrow
    # takes several times as long with it.
    texts = times.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), "Z", "")


def _with_readable_raw(row: dict[str, Any]) -> dict[str, Any]:
    raw = row.pop("raw")
    try:
        row["raw"] = raw.decode()
    except UnicodeDecodeError:
        row["raw_base64"] = b64encode(raw).decode()
    return row
