"""The fields of records become the columns of ``EVENT``.

A column is made at once if all its values have the expected type, and value by value otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.rejections import Rejections
from dataflow.decode.times import time_format
from dataflow.items.arrays import Int64s
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Registry, Source

#: The attributes of a record that has none.
NO_ATTRIBUTES = "{}"
#: The fields of one record. A rejected record has no fields.
Fields: TypeAlias = dict[str, object]


class Records(NamedTuple):
    """The undecoded records of one batch, and what is needed to decode them.

    ``header``: the header record of CSV. ``latest``: a later time is in the future. ``registry``: where the
    schemas of Avro and Protobuf are.
    """

    raws: list[bytes]
    header: bytes | None
    options: Source
    latest: datetime
    registry: Registry


@dataclass(frozen=True)
class Columns:
    """Columns of ``EVENT``, each with one value for each record. The values of a rejected row mean nothing.

    ``ambiguous_times``: how many times were read that the clock of ``source.ts_zone`` showed twice.
    """

    id: pa.Array
    key: pa.Array
    ts: pa.Array
    text: pa.Array
    attributes: pa.Array
    ambiguous_times: int = 0


class Times(NamedTuple):
    """``micros``: ``(n,)`` event times, 0 where there is none. ``ambiguous``: how many are ambiguous."""

    micros: Int64s
    ambiguous: int


def columns_of_fields(rows: list[Fields], records: Records, base: Columns, rejections: Rejections) -> Columns:
    """``base`` with the columns that the settings take from the fields of each row.

    The fields that no setting names become ``attributes``, beside those that ``base`` has. Removes the other
    fields from ``rows``.
    """
    options, columns = records.options, base
    if options.id_field is not None:
        ids = _strings(rows, options.id_field, "source.id_field", _to_id, rejections)
        columns = replace(columns, id=pa.array(ids, pa.string()))
    if options.key_field is not None:
        keys = _strings(rows, options.key_field, "source.key_field", _to_key, rejections)
        columns = replace(columns, key=pa.array(keys, pa.string()))
    if options.ts_field:
        times = _times([fields.get(options.ts_field) for fields in rows], records, rejections)
        ts = pa.array(times.micros).cast(TIMESTAMP)
        columns = replace(columns, ts=ts, ambiguous_times=times.ambiguous)
    texts = _strings(rows, options.text_field, "source.text_field", _to_text, rejections)
    for field in {options.id_field, options.key_field, options.ts_field, options.text_field} - {None, ""}:
        for fields in rows:
            fields.pop(field, None)  # type: ignore[arg-type]
    attributes = _attributes(_joined(base.attributes, rows), rejections)
    return replace(columns, text=pa.array(texts, pa.string()), attributes=attributes)


def _strings(
    rows: list[Fields], field: str, setting: str, convert: Callable[[object], str], rejections: Rejections
) -> list[str]:
    values = [fields.get(field) for fields in rows]
    if set(map(type, values)) == {str} and (convert is not _to_id or "" not in values):
        return values  # type: ignore[return-value]
    strings = []
    for row, value in enumerate(values):
        try:
            strings.append("" if value is None else convert(value))
        except ValueError as error:
            strings.append("")
            rejections.add_bad_value(row, field, value, error)
        if value is None:
            rejections.add_missing(row, field, setting)
    return strings


def _to_id(value: object) -> str:
    if value == "" or type(value) not in (str, int):
        raise ValueError("is not an id; send a string that is not empty, or an integer of 64 bits")
    return str(value)


def _to_key(value: object) -> str:
    if isinstance(value, dict | list):
        raise ValueError("is not a key; send a string, a number or a boolean")
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _to_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a text; send a string")
    return value


def _times(values: list[object], records: Records, rejections: Rejections) -> Times:
    field, format = records.options.ts_field, time_format(records.options)
    if values and (at_once := format.column(values)) is not None:
        return Times(at_once, 0)
    micros, ambiguous = np.zeros(len(values), np.int64), 0
    for row, value in enumerate(values):
        if value is None:
            rejections.add_missing(row, field, "source.ts_field")
            continue
        try:
            time = format.value(value, records.latest)
        except ValueError as error:
            rejections.add_bad_time(row, field, value, error)
        else:
            micros[row] = time.micros
            ambiguous += time.ambiguous
    return Times(micros, ambiguous)


def _joined(attributes: pa.Array, rows: list[Fields]) -> list[Fields]:
    """``rows`` with the fields of ``attributes``, JSON objects, that they do not have."""
    if not pc.any(pc.not_equal(attributes, NO_ATTRIBUTES)).as_py():
        return rows
    return [orjson.loads(more) | fields for more, fields in zip(attributes.to_pylist(), rows, strict=True)]


def _attributes(rows: list[Fields], rejections: Rejections) -> pa.Array:
    try:
        dumped = [orjson.dumps(fields) if fields else b"{}" for fields in rows]
    except TypeError:  # orjson reads 1024 levels of nesting, but writes only 254
        dumped = [_dumped(fields, row, rejections) for row, fields in enumerate(rows)]
    return pa.array(dumped, pa.string())


def _dumped(fields: Fields, row: int, rejections: Rejections) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:
        message = "the record has more than 250 levels of nested JSON; send fewer levels"
        rejections.add(row, "malformed", message)
        return b"{}"
