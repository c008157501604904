"""Reads the records of a batch that describe themselves: JSON lines, CSV or plain text.

Each reader takes the records, and ``base``: the columns as the transport knows them. It returns ``base`` with
the columns that the records hold, and rejects the rows that it cannot read.
"""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import orjson
import pyarrow as pa

from dataflow.decode.fields import Columns, Fields, Records, columns_of_fields
from dataflow.decode.rejections import Rejections
from dataflow.decode.times import time_format
from dataflow.items.envelope import EVENT_FORMAT
from dataflow.items.schemas import TIMESTAMP

_EVENT_TEXTS = ("id", "key", "text")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.S
)


def read_jsonl(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read JSON lines: each record is a JSON object."""
    rows: list[Fields] = []
    for row, raw in enumerate(records.raws):
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            value = None if row in rejections else _read_again(raw, row, rejections)
        if type(value) is not dict:
            message = (
                f"the record is a JSON {_type_name(value)}, not a JSON object; send {{...}} in each line"
            )
            rejections.add(row, "malformed", message)
            value = {}
        rows.append(value)
    return columns_of_fields(rows, records, base, rejections)


def _read_again(raw: bytes, row: int, rejections: Rejections) -> object:
    """Read what orjson refuses: JSON with a lone surrogate. Reject all else."""
    if rejections.decode_utf8(row, raw) is None:
        return None
    try:
        return orjson.loads(_ESCAPE.sub(_no_lone_surrogate, raw))
    except orjson.JSONDecodeError as error:
        if constant := _constant(raw):
            message = f"{constant} is not a JSON value; send null, or leave the field out"
            rejections.add(row, "bad_value", message)
        else:
            message = f"the record is not JSON: {error}; send one JSON object in each line"
            rejections.add(row, "malformed", message)
        return None


def _no_lone_surrogate(escape: "re.Match[bytes]") -> bytes:
    # A pair of surrogates has 12 bytes, a lone one 6. The pattern matches whole escapes, so `\\ud800` (a
    # backslash, then text) stays.
    return rb"\ufffd" if len(escape[0]) == 6 else escape[0]


def _constant(raw: bytes) -> str | None:
    """``NaN`` or ``Infinity`` with its field, if nothing else is wrong with the record."""
    found: list[str] = []

    def note(name: str) -> list[str]:
        found.append(name)
        return found

    try:
        record = json.loads(raw, parse_constant=note)
    except (ValueError, RecursionError):
        return None
    if not found:
        return None
    fields = [name for name, value in record.items() if value is found] if isinstance(record, dict) else []
    return f"{fields[0]}: {found[0]}" if fields else found[0]


def _type_name(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def read_csv(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read CSV as RFC 4180 describes it. The header names the fields."""
    names = columns_of(records.header or b"")
    if csv.field_size_limit() < records.options.max_record_bytes:
        csv.field_size_limit(records.options.max_record_bytes)
    texts = [rejections.decode_utf8(row, raw) or "" for row, raw in enumerate(records.raws)]
    try:
        cells = list(csv.reader(texts, strict=True))
    except csv.Error:
        cells = []
    # The reader takes at least one text for each list of cells. So if there are as many lists as texts, each
    # list comes from one text.
    if len(cells) != len(texts):
        cells = [_cells(text, row, rejections) for row, text in enumerate(texts)]
    rows: list[Fields] = []
    for row, values in enumerate(cells):
        if len(values) != len(names):
            message = f"the record has {len(values)} columns, but the CSV header has {len(names)}"
            rejections.add(row, "malformed", f"{message}; send one value for each column of the header")
            rows.append({})
        else:
            rows.append(dict(zip(names, values, strict=True)))
    return columns_of_fields(rows, records, base, rejections)


def _cells(text: str, row: int, rejections: Rejections) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        message = f"the record is not CSV: {error}; quote the values as RFC 4180 says"
        rejections.add(row, "malformed", message)
        return []


@lru_cache
def columns_of(header: bytes) -> list[str]:
    """The names in the header record of CSV. Raises ``UnicodeDecodeError`` or ``csv.Error``."""
    return next(csv.reader([header.decode()], strict=True), [])


def read_text(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read plain text: each record is the text of an event.

    If the record starts with a time, this is the event time, and the text is the rest of the record.
    """
    texts = [rejections.decode_utf8(row, raw) or "" for row, raw in enumerate(records.raws)]
    columns = base
    if records.options.ts_field:
        format = time_format(records.options)
        micros, ambiguous = base.ts.cast(pa.int64()).to_numpy().copy(), 0
        for row, text in enumerate(texts):
            try:
                found = format.prefix(text, records.latest)
            except ValueError as error:
                rejections.add_bad_time(row, "time", text, error)
            else:
                if found:
                    micros[row] = found.time.micros
                    ambiguous += found.time.ambiguous
                    texts[row] = text[found.end :].lstrip()
        columns = replace(base, ts=pa.array(micros).cast(TIMESTAMP), ambiguous_times=ambiguous)
    return replace(columns, text=pa.array(texts, pa.string()))


def read_events(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read events that were decoded before: no setting but ``source.mask`` says what they are.

    Each record is a JSON object with the columns ``id``, ``key``, ``ts`` (microseconds since the Unix epoch,
    UTC), ``text`` and ``attributes``.
    """
    events = [orjson.loads(raw) for raw in records.raws]
    id, key, text = (pa.array([event[name] for event in events], pa.string()) for name in _EVENT_TEXTS)
    ts = pa.array([event["ts"] for event in events], pa.int64()).cast(TIMESTAMP)
    attributes = pa.array([orjson.dumps(event["attributes"]) for event in events], pa.string())
    return replace(base, id=id, key=key, text=text, ts=ts, attributes=attributes)


#: Reads the records of a batch.
Reader: TypeAlias = Callable[[Records, Columns, Rejections], Columns]
#: Format of the records -> what reads them.
READERS: dict[str, Reader] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "text": read_text,
    EVENT_FORMAT: read_events,
}
