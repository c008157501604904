"""Rows of a table as JSON records, one for each row, so that rows are decoded as JSON lines are.

==============================  ============================================================================
column                          value in the record
==============================  ============================================================================
timestamp                       RFC 3339, with all digits that the column has. In UTC with ``Z`` if the column
                                has a time zone; without an offset if not, so that ``source.ts_zone`` applies
date, time                      ``"2026-11-23"``, ``"11:00:00.000000"``
duration                        seconds
decimal                         a string with all digits, because a JSON number would become a float
binary                          a string if the bytes are UTF-8, and ``{"base64": "..."}`` if not
float                           a number; ``null`` if it is not finite
struct                          an object
list                            an array
map                             an object; a key that is no string is written as JSON
dictionary, run-end encoded     the values themselves
extension                       a UUID as a string; all others as their storage
null                            ``null``
==============================  ============================================================================

Of two columns with one name, the last one wins.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from itertools import islice, pairwise
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

#: What orjson writes; one value for each row.
_Values: TypeAlias = list[Any]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def json_records(rows: pa.RecordBatch) -> list[bytes]:
    """Each row of ``rows`` as a JSON object in UTF-8, without a line end.

    >>> json_records(pa.record_batch({"id": [7, None], "text": ["a", "b"]}))
    [b'{"id":7,"text":"a"}', b'{"id":null,"text":"b"}']
    """
    names = rows.schema.names
    if not names:
        return [b"{}"] * rows.num_rows
    columns = [_values(column) for column in rows.columns]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> _Values:
    for has_type, values in _READERS:
        if has_type(column.type):
            return values(column)
    # Arrow cannot write the other types (intervals) as text.
    return [None if value is None else str(value) for value in column.to_pylist()]


def _with_nulls(column: pa.Array, values: _Values) -> _Values:
    """``values`` with ``None`` where ``column`` is null."""
    if column.null_count:
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            values[row] = None
    return values


def _numbers(column: pa.Array) -> _Values:
    # Without the nulls, because NumPy would make floats of integers with nulls.
    filled = column.fill_null(0) if column.null_count else column
    return _with_nulls(column, filled.to_numpy(zero_copy_only=False).tolist())


def _booleans(column: pa.Array) -> _Values:
    filled = column.fill_null(False) if column.null_count else column
    return _with_nulls(column, filled.to_numpy(zero_copy_only=False).tolist())


def _strings(column: pa.Array) -> _Values:
    try:
        values: _Values = column.to_numpy(zero_copy_only=False).tolist()
    except pa.ArrowException:  # not UTF-8, which Arrow does not check when it reads a file
        return _binary(column.cast(pa.large_binary()))
    return values


def _binary(column: pa.Array) -> _Values:
    return [None if value is None else _text(value) for value in column.to_pylist()]


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def _as_text(column: pa.Array) -> _Values:
    return _strings(column.cast(pa.string()))


def _timestamps(column: pa.Array) -> _Values:
    # The view removes the zone: the values are in UTC, and Arrow takes several times as long with a zone.
    texts = column.view(pa.timestamp(column.type.unit)).cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T")
    return _strings(pc.binary_join_element_wise(texts, "Z", "") if column.type.tz else texts)


def _durations(column: pa.Array) -> _Values:
    factor = _PER_SECOND[column.type.unit]
    return [None if value is None else value / factor for value in _numbers(column.view(pa.int64()))]


def _structs(column: pa.Array) -> _Values:
    names = [field.name for field in column.type]
    fields = [_values(field) for field in column.flatten()]
    rows: Iterable[Any] = zip(*fields, strict=True) if fields else ((),) * len(column)
    return _with_nulls(column, [dict(zip(names, row, strict=True)) for row in rows])


def _lists(column: pa.Array) -> _Values:
    values = iter(_values(column.flatten()))
    lengths = pc.list_value_length(column).to_pylist()
    return [None if length is None else list(islice(values, length)) for length in lengths]


def _maps(column: pa.Array) -> _Values:
    # Not cast to a list of structs: Arrow 26 drops values of type null when it casts a part of an array.
    offsets = column.offsets.to_pylist()
    first, part = offsets[0], slice(offsets[0], offsets[-1])
    keys, values = map(_key, _values(column.keys[part])), _values(column.items[part])
    entries = list(zip(keys, values, strict=True))
    rows = [dict(entries[start - first : end - first]) for start, end in pairwise(offsets)]
    return _with_nulls(column, rows)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def _decoded(column: pa.Array) -> _Values:
    return _values(column.dictionary_decode())


def _run_ends(column: pa.Array) -> _Values:
    return _values(pc.run_end_decode(column))


def _extensions(column: pa.Array) -> _Values:
    if column.type.extension_name == "arrow.uuid":
        return [value and str(UUID(bytes=value)) for value in column.storage.to_pylist()]
    return _values(column.storage)


def _is_string(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type))


def _is_binary(type: pa.DataType) -> bool:
    variable = pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_binary_view(type)
    return bool(variable or pa.types.is_fixed_size_binary(type))


def _is_list(type: pa.DataType) -> bool:
    views = pa.types.is_list_view(type) or pa.types.is_large_list_view(type)
    return bool(
        views or pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)
    )


def _is_text(type: pa.DataType) -> bool:
    return bool(pa.types.is_date(type) or pa.types.is_time(type) or pa.types.is_decimal(type))


#: Whether a type is of a kind -> what reads a column of this kind.
_READERS: tuple[tuple[Callable[[Any], bool], Callable[[pa.Array], _Values]], ...] = (
    (lambda type: isinstance(type, pa.BaseExtensionType), _extensions),
    (_is_string, _strings),
    (pa.types.is_integer, _numbers),
    (pa.types.is_floating, _numbers),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_timestamp, _timestamps),
    (_is_text, _as_text),
    (_is_binary, _binary),
    (pa.types.is_duration, _durations),
    (pa.types.is_struct, _structs),
    (pa.types.is_map, _maps),
    (_is_list, _lists),
    (pa.types.is_dictionary, _decoded),
    (pa.types.is_run_end_encoded, _run_ends),
)
