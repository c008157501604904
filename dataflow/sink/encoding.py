"""The rows of a batch as JSON: one object for each row. All sinks but Parquet write this.

Times are RFC 3339 in UTC with microseconds, as :func:`dataflow.clock.rfc3339` writes them. The columns
``attributes`` and ``missed`` hold JSON, which becomes a part of the object. ``raw`` is a string if it is
UTF-8; if not, ``raw_base64`` replaces ``raw``. A number that is not finite becomes ``null``.
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
#: How many characters of the message stay in a dead letter that is cut.
_MESSAGE_CHARACTERS = 1000

#: Stream -> the columns that identify a row of the stream. After a replay, a row has the same identity.
IDENTITY = {
    "scores": ("key", "window_start", "id", "revision"),
    "late": ("key", "id"),
    "dead_letters": ("partition", "offset"),
    "windows": ("key", "window_start", "revision"),
}


def json_rows(batch: pa.RecordBatch) -> list[bytes]:
    r"""Each row of ``batch`` as a JSON object in UTF-8, with a line end.

    >>> from dataflow.items.schemas import dead_letters
    >>> json_rows(dead_letters([("malformed", "not JSON", "p", 7, b"?")]))
    [b'{"reason":"malformed","message":"not JSON","partition":"p","offset":7,"raw":"?"}\n']
    """
    names = batch.schema.names
    columns = [_column(batch, name) for name in names]
    rows: Iterable[dict[str, Any]] = (
        dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
    )
    if "raw" in names:
        rows = map(_with_readable_raw, rows)
    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE) for row in rows]


def row_ids(batch: pa.RecordBatch, stream: str) -> list[bytes]:
    """The identity of each row of ``stream``, as bytes: a JSON array of the columns that ``IDENTITY`` names.

    Two different identities are always different bytes.
    """
    columns = [batch.column(name) for name in IDENTITY[stream]]
    values = [(_rfc3339(c) if c.type == TIMESTAMP else c).to_pylist() for c in columns]
    return [orjson.dumps(identity) for identity in zip(*values, strict=True)]


def cut_dead_letter(row: bytes, limit: int) -> bytes:
    """The dead letter ``row`` in at most ``limit`` bytes; ``limit`` is at least 10,000.

    ``row`` is a row of ``json_rows`` without its line end. If ``row`` is too long, its message and its raw
    record are cut, and ``raw_bytes`` says how many bytes the whole record has.
    """
    if len(row) <= limit:
        return row
    letter = orjson.loads(row)
    text = letter.pop("raw", None)
    base64_text = letter.pop("raw_base64", "")
    whole = text.encode() if text is not None else b64decode(base64_text)
    letter["message"] = letter["message"][:_MESSAGE_CHARACTERS]
    letter["raw_bytes"] = len(whole)
    room = limit - len(orjson.dumps(letter | {"raw_base64": ""}))
    if text is None:
        letter["raw_base64"] = base64_text[: room // 4 * 4]
    else:
        letter["raw"] = _cut(text[:room], room)
    return orjson.dumps(letter)


def _cut(text: str, room: int) -> str:
    """The longest start of ``text`` that takes at most ``room`` bytes as JSON."""
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
    # Python's datetime is no help: it begins at the year 1, and a window may start before. The cast removes
    # the zone, because Arrow takes several times as long to format times with a zone.
    texts = times.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), "Z", "")


def _with_readable_raw(row: dict[str, Any]) -> dict[str, Any]:
    raw = row.pop("raw")
    try:
        row["raw"] = raw.decode()
    except UnicodeDecodeError:
        row["raw_base64"] = b64encode(raw).decode()
    return row
