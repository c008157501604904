"""Raw records to events. Bad data raises nothing: each row is an event or a dead letter, in order.

Column by column where a batch is as it should be, row by row only where it is not. Meaning of the
fields: docs/sources.md.
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
import pyarrow.compute as pc

from dataflow import events, times
from dataflow.errors import SettingsError
from dataflow.events import DEAD_LETTER, EVENT, TIMESTAMP, Decoded
from dataflow.settings import Settings, Source

#: Bytes that a dead letter keeps of a record that is too large.
KEPT_BYTES = 1 << 16
_SHOWN = 60
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F]..|.)", re.S
)


class _Problem(NamedTuple):
    reason: str
    message: str


_Problems: TypeAlias = dict[int, _Problem]
_Record: TypeAlias = dict[str, object]


class _Columns(NamedTuple):
    """As long as the raw batch; what stands in the row of a problem means nothing."""

    id: pa.Array
    key: pa.Array
    ts: pa.Array
    text: pa.Array
    attributes: pa.Array


def check(settings: Settings, format: str, header: bytes | None = None) -> None:
    """Raise ``SettingsError`` if no record of this format, or under this CSV header, could be an event."""
    source = settings.source
    _time_format(source)
    if format == "text":
        for name in ("id_field", "key_field"):
            if getattr(source, name) is not None:
                raise SettingsError(f"source.{name}: lines of plain text have no fields; unset it")
    if header is not None:
        try:
            columns = _header(header)
        except (UnicodeDecodeError, csv.Error) as error:
            raise SettingsError(f"source.uri: the CSV header cannot be read: {error}") from None
        for name in ("id_field", "key_field", "ts_field", "text_field"):
            field = getattr(source, name)
            if field and field not in columns:
                raise SettingsError(
                    f"source.{name}={field!r}: no such column; the CSV header has {', '.join(columns)}"
                )


def decode(raw: pa.RecordBatch, settings: Settings, *, now: datetime) -> Decoded:
    """Decode a ``RAW`` batch. Pure; ``now`` (aware) is the wall clock of the future guard."""
    problems: _Problems = {}
    limit = now + settings.window.max_future
    raws = raw.column("raw").to_pylist()
    _too_large(raw, settings.source.max_record_bytes, raws, problems)
    columns = _FORMATS[raw.schema.metadata[b"format"].decode()](raw, raws, settings.source, limit, problems)
    _future(columns.ts, limit, settings, problems)
    batch = pa.RecordBatch.from_arrays(
        [*columns[:4], raw.column("partition"), raw.column("offset"), columns.attributes], schema=EVENT
    )
    if not problems:
        return Decoded(batch, events.dead_letters([]))
    good = np.ones(raw.num_rows, bool)
    good[list(problems)] = False
    return Decoded(batch.filter(pa.array(good)), _dead_letters(raw, problems))


def _dead_letters(raw: pa.RecordBatch, problems: _Problems) -> pa.RecordBatch:
    rows = sorted(problems)
    bad = raw.take(pa.array(rows, pa.int64()))
    records = [
        record[:KEPT_BYTES] if problems[row].reason == "too_large" else record
        for row, record in zip(rows, bad.column("raw").to_pylist(), strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([problems[row].reason for row in rows], pa.string()),
            pa.array([problems[row].message for row in rows], pa.string()),
            bad.column("partition"),
            bad.column("offset"),
            pa.array(records, pa.binary()),
        ],
        schema=DEAD_LETTER,
    )


def _too_large(raw: pa.RecordBatch, limit: int, raws: list[bytes], problems: _Problems) -> None:
    lengths = pc.binary_length(raw.column("raw")).to_numpy()
    for row in np.flatnonzero(lengths > limit).tolist():
        kept = min(KEPT_BYTES, len(raws[row]))
        problems[row] = _Problem(
            "too_large",
            f"the record is longer than source.max_record_bytes={limit}; "
            f"its first {kept} bytes are kept; raise the setting to let it in",
        )
        raws[row] = b""


def _future(ts: pa.Array, limit: datetime, settings: Settings, problems: _Problems) -> None:
    for row in np.flatnonzero(pc.greater(ts, pa.scalar(limit, TIMESTAMP)).to_numpy(False)).tolist():
        _problem(
            problems,
            row,
            "future",
            f"{settings.source.ts_field or 'time'}: {ts[row].as_py().isoformat()} is more than "
            f"window.max_future={settings.window.max_future} ahead of the wall clock; "
            f"correct the sender's clock, or source.ts_format or ts_zone if it is misread",
        )


# --- JSON lines and CSV: records with fields


def _jsonl(
    raw: pa.RecordBatch, raws: list[bytes], source: Source, limit: datetime, problems: _Problems
) -> _Columns:
    records: list[_Record] = []
    for row, line in enumerate(raws):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None if row in problems else _second_look(line, row, problems)
        if type(record) is not dict:
            _problem(problems, row, "malformed", f"a JSON {_kind(record)}, not an object; write {{...}}")
            record = {}
        records.append(record)
    return _fields(raw, records, source, limit, problems)


def _second_look(line: bytes, row: int, problems: _Problems) -> object:
    """What orjson refused: a record after all (a lone surrogate), or the reason why it is none."""
    if not _is_utf8(line, row, problems):
        return None
    try:
        return orjson.loads(_ESCAPE.sub(_no_lone_surrogate, line))
    except orjson.JSONDecodeError as error:
        if constant := _constant(line):
            message = f"{constant} is no JSON value; write null, or leave the field out"
            _problem(problems, row, "bad_value", message)
        else:
            _problem(problems, row, "malformed", f"not JSON: {error}; write one JSON object a line")
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


def _csv(
    raw: pa.RecordBatch, raws: list[bytes], source: Source, limit: datetime, problems: _Problems
) -> _Columns:
    names = _header(raw.schema.metadata[b"header"])
    if csv.field_size_limit() < source.max_record_bytes:
        csv.field_size_limit(source.max_record_bytes)
    lines = [line.decode() if _is_utf8(line, row, problems) else "" for row, line in enumerate(raws)]
    try:
        cells = list(csv.reader(lines, strict=True))
    except csv.Error:
        cells = []
    # Each list of cells takes at least one line, so as many of them as lines means one each.
    if len(cells) != len(lines):
        cells = [_cells(line, row, problems) for row, line in enumerate(lines)]
    records: list[_Record] = []
    for row, values in enumerate(cells):
        if len(values) != len(names):
            _problem(problems, row, "malformed", f"{len(values)} columns, but the header has {len(names)}")
            records.append({})
        else:
            records.append(dict(zip(names, values, strict=True)))
    return _fields(raw, records, source, limit, problems)


def _cells(line: str, row: int, problems: _Problems) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        _problem(problems, row, "malformed", f"not CSV: {error}; quote as RFC 4180 says")
        return []


@lru_cache
def _header(header: bytes) -> list[str]:
    return next(csv.reader([header.decode()], strict=True), [])


def _fields(
    raw: pa.RecordBatch, records: list[_Record], source: Source, limit: datetime, problems: _Problems
) -> _Columns:
    identity = _identity(raw)
    key = _message_key(raw)
    if source.id_field is not None:
        identity = pa.array(_strings(records, source.id_field, _to_id, problems), pa.string())
    if source.key_field is not None:
        key = pa.array(_strings(records, source.key_field, _to_key, problems), pa.string())
    ts = _transport_time(raw)
    if source.ts_field:
        micros = _times([r.get(source.ts_field) for r in records], source, limit, problems)
        ts = pa.array(micros).cast(TIMESTAMP)
    text = pa.array(_strings(records, source.text_field, _to_text, problems), pa.string())
    for field in {source.id_field, source.key_field, source.ts_field, source.text_field} - {None, ""}:
        for record in records:
            record.pop(field, None)  # type: ignore[arg-type]
    return _Columns(identity, key, ts, text, _attributes(records, problems))


def _strings(
    records: list[_Record], field: str, convert: Callable[[object], str], problems: _Problems
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
            _problem(problems, row, "bad_value", f"{field}: {_shown(value)} {error}")
        if value is None:
            _missing(problems, row, field)
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


def _times(
    values: list[object], source: Source, limit: datetime, problems: _Problems
) -> npt.NDArray[np.int64]:
    format = _time_format(source)
    if values and (at_once := format.column(values)) is not None:
        return at_once
    micros = np.zeros(len(values), np.int64)
    seen: dict[str, int] = {}  # many events share a second
    for row, value in enumerate(values):
        if value is None:
            _missing(problems, row, source.ts_field)
        elif isinstance(value, str) and value in seen:
            micros[row] = seen[value]
        else:
            try:
                micros[row] = at = format.value(value, limit)
                if isinstance(value, str):
                    seen[value] = at
            except ValueError as error:
                _bad_time(problems, row, source.ts_field, value, error)
    return micros


def _attributes(records: list[_Record], problems: _Problems) -> pa.Array:
    try:
        dumped = [orjson.dumps(record) for record in records]
    except TypeError:  # orjson reads 1024 levels deep, but writes 254
        dumped = [_dumped(record, row, problems) for row, record in enumerate(records)]
    return pa.array(dumped, pa.string())


def _dumped(record: _Record, row: int, problems: _Problems) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:
        _problem(problems, row, "malformed", "JSON nested more than 250 levels deep; flatten it")
        return b"{}"


# --- plain text: the line is the text, and may start with its time


def _text(
    raw: pa.RecordBatch, raws: list[bytes], source: Source, limit: datetime, problems: _Problems
) -> _Columns:
    texts = [line.decode() if _is_utf8(line, row, problems) else "" for row, line in enumerate(raws)]
    ts = _transport_time(raw)
    if source.ts_field:
        micros = ts.cast(pa.int64()).to_numpy().copy()
        for row, text in enumerate(texts):
            try:
                found = _time_format(source).prefix(text, limit)
            except ValueError as error:
                _bad_time(problems, row, "time", text, error)
            else:
                if found:
                    micros[row], end = found
                    texts[row] = text[end:].lstrip()
        ts = pa.array(micros).cast(TIMESTAMP)
    empty = pa.repeat(pa.scalar("{}"), raw.num_rows)
    return _Columns(_identity(raw), _message_key(raw), ts, pa.array(texts, pa.string()), empty)


_FORMATS = {"jsonl": _jsonl, "csv": _csv, "text": _text}

# --- what the transport says, and the words for problems


def _identity(raw: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(raw.column("partition"), raw.column("offset").cast(pa.string()), ":")


def _message_key(raw: pa.RecordBatch) -> pa.Array:
    keys = raw.column("message_key")
    if keys.null_count == len(keys):
        return pa.repeat(pa.scalar("all"), len(keys))
    # Keys that are not UTF-8 stay apart from each other.
    decoded = [None if k is None else k.decode(errors="backslashreplace") for k in keys.to_pylist()]
    return pa.array(decoded, pa.string()).fill_null("all")


def _transport_time(raw: pa.RecordBatch) -> pa.Array:
    return pc.coalesce(raw.column("message_ts"), raw.column("arrival"))


def _time_format(source: Source) -> times.TimeFormat:
    return times.time_format(source.ts_format, source.ts_zone, source.ts_year)


def _problem(problems: _Problems, row: int, reason: str, message: str) -> None:
    problems.setdefault(row, _Problem(reason, message))  # the first one explains those that follow


def _missing(problems: _Problems, row: int, field: str) -> None:
    _problem(problems, row, "missing_field", f"{field}: absent or null; send it, or name another field")


def _bad_time(problems: _Problems, row: int, field: str, value: object, error: ValueError) -> None:
    message = f"{field}: {_shown(value)} {error}; correct it, or set source.ts_format"
    _problem(problems, row, "bad_time", message)


def _is_utf8(line: bytes, row: int, problems: _Problems) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte 0x{line[error.start]:02x} at {error.start}; convert the source to UTF-8"
        _problem(problems, row, "not_utf8", message)
        return False
    return True


def _kind(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    return orjson.dumps(value).decode()
