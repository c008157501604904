"""The rows of a batch as JSON: one object for each row. All sinks but Parquet write this.

Times are RFC 3339 in UTC with microseconds, as :func:`dataflow.clock.rfc3339` writes them. The columns
``attributes``, ``missed`` and ``envelope`` hold JSON, which becomes a part of the object. ``raw`` is a string
if it is UTF-8; if not, ``raw_base64`` replaces ``raw``. A number that is not finite becomes ``null``.

A batch is encoded column by column, because one Python object for each value would take several times as
long. A row is joined from pieces: a ``str`` is the same in each row, an array has one text for each row.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import micros, rfc3339
from dataflow.items.embedding import embeddings
from dataflow.items.schemas import TIMESTAMP

_Piece: TypeAlias = str | pa.Array

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_JSON_COLUMNS = frozenset({"attributes", "missed", "envelope"})
#: Columns that often have the same value in many rows, one after the other.
_RUN_COLUMNS = {"key", "window_start", "window_end", "revision", "model", "model_version", "partition"}
#: In a batch with fewer rows, it takes longer to find the runs than to encode each row.
_MIN_ROWS_OF_RUNS = 1000
#: All bytes but those that JSON escapes.
_PLAIN = bytes(code for code in range(32, 256) if code not in b'"\\')
#: The JSON of a larger batch may have more than the 2 GiB that the type ``string`` holds: an escape has up to
#: six bytes.
_MAX_STRING_BYTES = 1 << 28
#: How many characters of the message stay in a dead letter that is cut.
_MESSAGE_CHARACTERS = 1000

#: Stream -> the columns that identify a row of the stream. After a replay, a row has the same identity.
IDENTITY = {
    "scores": ("key", "window_start", "id", "revision"),
    "alerts": ("incident", "sequence"),
    "drift": ("key", "window_start", "window_end", "revision"),
    "late": ("key", "id"),
    "dead_letters": ("partition", "offset"),
    "windows": ("key", "window_start", "revision"),
}
#: Stream -> the column of the identity that counts the versions of a row, or the changes of an incident.
VERSION = {"scores": "revision", "alerts": "sequence", "drift": "revision", "windows": "revision"}


def json_lines(batch: pa.RecordBatch) -> memoryview:
    r"""The rows of ``batch`` as JSON objects in UTF-8, each with a line end.

    ``batch`` has the schema of a stream, so few columns have null.

    >>> from dataflow.items.schemas import dead_letters
    >>> bytes(json_lines(dead_letters([("malformed", "not JSON", "p", 7, b"?")])))
    b'{"reason":"malformed","message":"not JSON","partition":"p","offset":7,"raw":"?","envelope":{}}\n'
    """
    return memoryview(_lines(batch).buffers()[2] if len(batch) else b"")


def json_rows(batch: pa.RecordBatch) -> list[bytes]:
    """The lines of :func:`json_lines` one by one, each with its line end."""
    return [line.encode() for line in _lines(batch).to_pylist()] if len(batch) else []


def row_ids(batch: pa.RecordBatch, stream: str) -> list[bytes]:
    """The identity of each row of ``stream``, as bytes: a JSON array of the columns that ``IDENTITY`` names.

    Two different identities are always different bytes.
    """
    return _ids(batch, IDENTITY[stream])


def subject_ids(batch: pa.RecordBatch, stream: str) -> list[bytes]:
    """What each row of ``stream`` is about: its identity without the version that :data:`VERSION` names.

    >>> from dataflow.items.schemas import dead_letters
    >>> subject_ids(dead_letters([("malformed", "not JSON", "p", 7, b"?")]), "dead_letters")
    [b'["p",7]']
    """
    return _ids(batch, [name for name in IDENTITY[stream] if name != VERSION.get(stream)])


def _ids(batch: pa.RecordBatch, names: Iterable[str]) -> list[bytes]:
    if not len(batch):
        return []
    text_type = _text_type(batch)
    pieces: list[_Piece] = ["["]
    for name in names:
        pieces += [*_value(batch, name, text_type), ","]
    return [identity.encode() for identity in _join([*pieces[:-1], "]"], text_type).to_pylist()]


def cut_dead_letter(row: bytes, limit: int) -> bytes:
    """The dead letter ``row`` in at most ``limit`` bytes; ``limit`` is at least 10,000.

    ``row`` is a row of ``json_rows`` without its line end. If ``row`` is too long, its message and its raw
    record are cut, and ``raw_bytes`` says how many bytes the whole record has. It loses its envelope, because
    nobody can decode half a record.
    """
    if len(row) <= limit:
        return row
    letter = orjson.loads(row)
    del letter["envelope"]
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


def _lines(batch: pa.RecordBatch) -> pa.Array:
    text_type = _text_type(batch)
    pieces: list[_Piece] = ["{"]
    for has_runs, names in groupby(batch.schema.names, _RUN_COLUMNS.__contains__):
        fields = _fields_by_run if has_runs and len(batch) >= _MIN_ROWS_OF_RUNS else _fields
        pieces += [*fields(batch, list(names), text_type), ","]
    return _join([*pieces[:-1], "}\n"], text_type)


def _text_type(batch: pa.RecordBatch) -> pa.DataType:
    return pa.string() if batch.get_total_buffer_size() <= _MAX_STRING_BYTES else pa.large_string()


def _join(pieces: Sequence[_Piece], text_type: pa.DataType) -> pa.Array:
    """The pieces of each row as one text; at least one piece is an array."""
    constants, columns = [""], []
    for piece in pieces:
        if isinstance(piece, str):
            constants[-1] += piece
        else:
            columns.append(piece)
            constants.append("")
    *before, last = pa.array(constants, text_type)
    separator = pa.scalar("", text_type)
    return pc.binary_join_element_wise(*chain(*zip(before, columns, strict=True)), last, separator)


def _fields(batch: pa.RecordBatch, names: list[str], text_type: pa.DataType) -> list[_Piece]:
    """The fields ``names`` of each row, with commas between them."""
    pieces: list[_Piece] = []
    for name in names:
        if name == "raw":
            pieces += [pa.array(map(_raw_field, batch.column(name).to_pylist()), text_type), ","]
        else:
            pieces += [f'"{name}":', *_value(batch, name, text_type), ","]
    return pieces[:-1]


def _fields_by_run(batch: pa.RecordBatch, names: list[str], text_type: pa.DataType) -> list[_Piece]:
    """The same as ``_fields``, but of equal rows, one after the other, only the first is encoded."""
    columns, rows = batch.select(names), len(batch)
    new = np.zeros(rows, bool)
    new[0] = True
    for column in columns.columns:
        differs = pc.fill_null(pc.not_equal(column.slice(1), column.slice(0, rows - 1)), True)
        new[1:] |= differs.to_numpy(zero_copy_only=False)
    first = columns.take(pa.array(np.flatnonzero(new)))
    texts = _join(_fields(first, names, text_type), text_type)
    return [texts[0].as_py() if len(texts) == 1 else texts.take(pa.array(np.cumsum(new) - 1))]


def _value(batch: pa.RecordBatch, name: str, text_type: pa.DataType) -> list[_Piece]:
    """The JSON of the column ``name`` in each row."""
    column = batch.column(name)
    if name == "embedding":
        vectors = embeddings(batch)
        return [pa.array([orjson.dumps(row, option=_NUMPY) for row in vectors], text_type)]
    if name in _JSON_COLUMNS:
        return [_cast(column, text_type)]
    if pa.types.is_nested(column.type) or (column.null_count and not pa.types.is_floating(column.type)):
        return [pa.array(map(_nested, column.to_pylist()), text_type)]
    if column.type == TIMESTAMP:
        return ['"', _times(column, text_type), 'Z"']
    if column.type in (pa.string(), pa.large_string()) and not column.null_count:
        return ['"', _escaped(_cast(column, text_type)), '"']
    return [_cast(_numbers(column), text_type)]


def _nested(values: dict[str, Any] | list[Any] | str | None) -> bytes:
    # orjson would write times in a form of its own.
    return orjson.dumps(values, option=orjson.OPT_PASSTHROUGH_DATETIME, default=_time)


def _time(at: datetime) -> str:
    return rfc3339(micros(at))


def _cast(texts: pa.Array, text_type: pa.DataType) -> pa.Array:
    # Arrow's cast takes its time even if there is nothing to do.
    return texts if texts.type == text_type else texts.cast(text_type)


def _times(times: pa.Array, text_type: pa.DataType) -> pa.Array:
    # Python's datetime is no help: it begins at the year 1, and a window may start before. The view removes
    # the zone, because Arrow takes several times as long to format times with a zone.
    return pc.replace_substring(times.view(pa.timestamp("us")).cast(text_type), " ", "T")


def _escaped(texts: pa.Array) -> pa.Array:
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32 if texts.type == pa.string() else np.int64)
    used = bytes(memoryview(data)[ends[texts.offset] : ends[texts.offset + len(texts)]])
    # The backslash is the highest, so it comes before the characters whose escapes have a backslash.
    for code in sorted(set(used.translate(None, _PLAIN)), reverse=True):
        texts = pc.replace_substring(texts, chr(code), orjson.dumps(chr(code))[1:-1].decode())
    return texts


def _numbers(column: pa.Array) -> pa.Array:
    # orjson, because Arrow formats some floats in another way. A number that is null becomes NaN, then null.
    text = orjson.dumps(column.to_numpy(zero_copy_only=column.null_count == 0), option=_NUMPY)
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((characters == ord(",")) | (characters == ord("]")))
    offsets = np.zeros(len(column) + 1, np.int32)
    offsets[1:] = ends - np.arange(1, len(column) + 1)  # the characters before each end that are removed
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text.translate(None, b"[,]"))]
    return pa.Array.from_buffers(pa.string(), len(column), buffers)


def _raw_field(raw: bytes) -> bytes:
    try:
        return b'"raw":' + orjson.dumps(raw.decode())
    except UnicodeDecodeError:
        return b'"raw_base64":"' + b64encode(raw) + b'"'
