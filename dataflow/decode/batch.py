"""Raw records to events. Bad data raises nothing: each row is an event or a dead letter, in order.

What the fields mean, and the reasons for dead letters: docs/guides/sources-and-sinks.md.
"""

import csv
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode import formats, times
from dataflow.decode.formats import Columns, Lines
from dataflow.decode.problems import Problems
from dataflow.errors import SettingsError
from dataflow.items import schemas
from dataflow.items.schemas import DEAD_LETTER, DEFAULT_KEY, EVENT, TIMESTAMP, Decoded
from dataflow.settings import Settings

#: Bytes that a dead letter keeps of a record that is too large.
KEPT_BYTES = 1 << 16


def check_format(settings: Settings, format: str, header: bytes | None = None) -> None:
    """Raise ``SettingsError`` if no record of this format, or under this CSV header, could be an event."""
    source = settings.source
    times.time_format(source)
    if format == "text":
        for name in ("id_field", "key_field"):
            if getattr(source, name) is not None:
                raise SettingsError(f"source.{name}: lines of plain text have no fields; unset it")
    if header is not None:
        try:
            columns = formats.columns_of(header)
        except (UnicodeDecodeError, csv.Error) as error:
            raise SettingsError(f"source.uri: the CSV header cannot be read: {error}") from None
        for name in ("id_field", "key_field", "ts_field", "text_field"):
            field = getattr(source, name)
            if field and field not in columns:
                raise SettingsError(
                    f"source.{name}={field!r}: no such column; the CSV header has {', '.join(columns)}"
                )


def decode_batch(raw: pa.RecordBatch, settings: Settings, *, now: datetime) -> Decoded:
    """Decode a ``RAW`` batch. Pure; ``now`` (aware) is the wall clock of the future guard."""
    problems = Problems()
    limit = now + settings.window.max_future
    raws = raw.column("raw").to_pylist()
    _too_large(raw, settings.source.max_record_bytes, raws, problems)
    metadata = raw.schema.metadata
    read = _FORMATS[metadata[b"format"].decode()]
    lines = Lines(raws, metadata.get(b"header"), settings.source, limit)
    columns = read(_transport(raw), lines, problems)
    _future(columns.ts, limit, settings, problems)
    batch = pa.RecordBatch.from_arrays(
        [*columns[:4], raw.column("partition"), raw.column("offset"), columns.attributes], schema=EVENT
    )
    if not problems:
        return Decoded(batch, schemas.dead_letters([]), problems.ambiguous_times)
    good = np.ones(raw.num_rows, bool)
    good[list(problems)] = False
    kept = batch.filter(pa.array(good))
    return Decoded(kept, _dead_letters(raw, problems), problems.ambiguous_times)


def _dead_letters(raw: pa.RecordBatch, problems: Problems) -> pa.RecordBatch:
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


def _too_large(raw: pa.RecordBatch, limit: int, raws: list[bytes], problems: Problems) -> None:
    lengths = pc.binary_length(raw.column("raw")).to_numpy()
    for row in np.flatnonzero(lengths > limit).tolist():
        kept = min(KEPT_BYTES, len(raws[row]))
        problems.add(
            row,
            "too_large",
            f"the record is longer than source.max_record_bytes={limit}; "
            f"its first {kept} bytes are kept; raise the setting to let it in",
        )
        raws[row] = b""


def _future(ts: pa.Array, limit: datetime, settings: Settings, problems: Problems) -> None:
    ahead = pc.greater(ts, pa.scalar(limit, TIMESTAMP)).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(ahead).tolist():
        problems.add(
            row,
            "future",
            f"{settings.source.ts_field or 'time'}: {ts[row].as_py().isoformat()} is more than "
            f"window.max_future={settings.window.max_future} ahead of the wall clock; "
            f"correct the sender's clock, or source.ts_format or ts_zone if it is misread",
        )


def _text(base: Columns, lines: Lines, problems: Problems) -> Columns:
    """Plain lines: the line is the text, without the time that it starts with, if it does."""
    texts = [problems.decoded(row, line) or "" for row, line in enumerate(lines.raws)]
    ts = base.ts
    if lines.source.ts_field:
        format = times.time_format(lines.source)
        micros = ts.cast(pa.int64()).to_numpy().copy()
        for row, text in enumerate(texts):
            try:
                found = format.prefix(text, lines.limit)
            except ValueError as error:
                problems.bad_time(row, "time", text, error)
            else:
                if found:
                    moment, end = found
                    micros[row] = moment.micros
                    problems.ambiguous_times += moment.ambiguous
                    texts[row] = text[end:].lstrip()
        ts = pa.array(micros).cast(TIMESTAMP)
    return base._replace(ts=ts, text=pa.array(texts, pa.string()))


_FORMATS = {"jsonl": formats.from_jsonl, "csv": formats.from_csv, "text": _text}


def _transport(raw: pa.RecordBatch) -> Columns:
    """The columns as far as the transport knows them; what the record says comes over it."""
    n = raw.num_rows
    partition, offset = raw.column("partition"), raw.column("offset").cast(pa.string())
    return Columns(
        id=pc.binary_join_element_wise(partition, offset, ":"),
        key=_message_key(raw.column("message_key")),
        ts=pc.coalesce(raw.column("message_ts"), raw.column("arrival")),
        text=pa.repeat(pa.scalar(""), n),
        attributes=pa.repeat(pa.scalar("{}"), n),
    )


def _message_key(keys: pa.Array) -> pa.Array:
    if keys.null_count == len(keys):
        return pa.repeat(pa.scalar(DEFAULT_KEY), len(keys))
    # Keys that are not UTF-8 stay apart from each other.
    decoded = [None if key is None else key.decode(errors="backslashreplace") for key in keys.to_pylist()]
    return pa.array(decoded, pa.string()).fill_null(DEFAULT_KEY)
