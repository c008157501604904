"""Records with fields, JSON or CSV, to columns.

Column by column where the values are as they should be, row by row only where they are not.
"""

import csv
import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from dataflow.decode import times
from dataflow.decode.problems import Problems
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Source

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.S
)

Record: TypeAlias = dict[str, object]


class Columns(NamedTuple):
    """As long as the raw batch; what stands in the row of a problem means nothing."""

    id: pa.Array
    key: pa.Array
    ts: pa.Array
    text: pa.Array
    attributes: pa.Array


class Lines(NamedTuple):
    """A batch of records before they are read, and what is needed to read them."""

    raws: list[bytes]
    header: bytes | None
    source: Source
    limit: datetime  # a later time is in the future


def from_jsonl(base: Columns, lines: Lines, problems: Problems) -> Columns:
    """Decode JSON lines: ``base`` with a column for each field of ``EVENT`` that the records hold."""
    records: list[Record] = []
    for row, line in enumerate(lines.raws):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None if row in problems else _second_look(line, row, problems)
        if type(record) is not dict:
            problems.add(row, "malformed", f"a JSON {_kind(record)}, not an object; write {{...}}")
            record = {}
        records.append(record)
    return _fields(base, records, lines, problems)


def _second_look(line: bytes, row: int, problems: Problems) -> object:
    """What orjson refused: a record after all (a lone surrogate), or the reason why it is none."""
    if problems.decoded(row, line) is None:
        return None
    try:
        return orjson.loads(_ESCAPE.sub(_no_lone_surrogate, line))
    except orjson.JSONDecodeError as error:
        if constant := _constant(line):
            message = f"{constant} is no JSON value; write null, or leave the field out"
            problems.add(row, "bad_value", message)
        else:
            problems.add(row, "malformed", f"not JSON: {error}; write one JSON object a line")
        return None


def _no_lone_surrogate(escape: "re.Match[bytes]") -> bytes:
    # A pair is 12 bytes. Escapes are matched whole, so that `\\ud800` (a backslash, then text) stays.
    return rb"\ufffd" if len(escape[0]) == 6 else escape[0]


def _constant(line: bytes) -> str | None:
    """``NaN`` or ``Infinity`` with its field, if that is all that is wrong with the line."""
    found: list[str] = []

    def note(name: str) -> list[str]:
        found.append(name)
        return found

    try:
        record = json.loads(line, parse_constant=note)
    except (ValueError, RecursionError):
        return None
    if not found:
        return None
    fields = [name for name, value in record.items() if value is found] if isinstance(record, dict) else []
    return f"{fields[0]}: {found[0]}" if fields else found[0]


def from_csv(base: Columns, lines: Lines, problems: Problems) -> Columns:
    """Decode CSV records, as :func:`from_jsonl` does JSON lines."""
    names = columns_of(lines.header or b"")
    if csv.field_size_limit() < lines.source.max_record_bytes:
        csv.field_size_limit(lines.source.max_record_bytes)
    texts = [problems.decoded(row, line) or "" for row, line in enumerate(lines.raws)]
    try:
        cells = list(csv.reader(texts, strict=True))
    except csv.Error:
        cells = []
    # Each list of cells takes at least one line, so as many of them as lines means one each.
    if len(cells) != len(texts):
        cells = [_cells(line, row, problems) for row, line in enumerate(texts)]
    records: list[Record] = []
    for row, values in enumerate(cells):
        if len(values) != len(names):
            problems.add(row, "malformed", f"{len(values)} columns, but the header has {len(names)}")
            records.append({})
        else:
            records.append(dict(zip(names, values, strict=True)))
    return _fields(base, records, lines, problems)


def _cells(line: str, row: int, problems: Problems) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        problems.add(row, "malformed", f"not CSV: {error}; quote as RFC 4180 says")
        return []


@lru_cache
def columns_of(header: bytes) -> list[str]:
    """The names in a CSV header line. Raises ``UnicodeDecodeError`` or ``csv.Error``."""
    return next(csv.reader([header.decode()], strict=True), [])


def _fields(base: Columns, records: list[Record], lines: Lines, problems: Problems) -> Columns:
    identity, key, ts, *_ = base
    source = lines.source
    if source.id_field is not None:
        identity = pa.array(_strings(records, source.id_field, _to_id, problems), pa.string())
    if source.key_field is not None:
        key = pa.array(_strings(records, source.key_field, _to_key, problems), pa.string())
    if source.ts_field:
        micros = _times([r.get(source.ts_field) for r in records], lines, problems)
        ts = pa.array(micros).cast(TIMESTAMP)
    text = pa.array(_strings(records, source.text_field, _to_text, problems), pa.string())
    for field in {source.id_field, source.key_field, source.ts_field, source.text_field} - {None, ""}:
        for record in records:
            record.pop(field, None)  # type: ignore[arg-type]
    return Columns(identity, key, ts, text, _attributes(records, problems))


def _strings(
    records: list[Record], field: str, convert: Callable[[object], str], problems: Problems
) -> list[str]:
    values = [record.get(field) for record in records]
    if set(map(type, values)) == {str} and (convert is not _to_id or "" not in values):
        return values  # type: ignore[return-value]
    strings = []
    for row, value in enumerate(values):
        try:
            strings.append("" if value is None else convert(value))
        except ValueError as error:
            strings.append("")
            problems.bad_value(row, field, value, error)
        if value is None:
            problems.missing(row, field)
    return strings


def _to_id(value: object) -> str:
    if value == "" or type(value) not in (str, int):
        raise ValueError("is no id; it must be a string or an integer of 64 bits")
    return str(value)


def _to_key(value: object) -> str:
    if isinstance(value, dict | list):
        raise ValueError("is no key; it must be a string, a number or a boolean")
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _to_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is no text; it must be a string")
    return value


def _times(values: list[object], lines: Lines, problems: Problems) -> npt.NDArray[np.int64]:
    source = lines.source
    format = times.time_format(source)
    if values and (at_once := format.column(values)) is not None:
        return at_once
    micros = np.zeros(len(values), np.int64)
    for row, value in enumerate(values):
        if value is None:
            problems.missing(row, source.ts_field)
            continue
        try:
            moment = format.value(value, lines.limit)
        except ValueError as error:
            problems.bad_time(row, source.ts_field, value, error)
        else:
            micros[row] = moment.micros
            problems.ambiguous_times += moment.ambiguous
    return micros


def _attributes(records: list[Record], problems: Problems) -> pa.Array:
    try:
        dumped = [orjson.dumps(record) for record in records]
    except TypeError:  # orjson reads 1024 levels deep, but writes 254
        dumped = [_dumped(record, row, problems) for row, record in enumerate(records)]
    return pa.array(dumped, pa.string())


def _dumped(record: Record, row: int, problems: Problems) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:
        problems.add(row, "malformed", "JSON nested more than 250 levels deep; flatten it")
        return b"{}"


def _kind(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")
