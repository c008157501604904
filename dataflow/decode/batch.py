"""Decodes a batch of records: each record becomes an event or a dead letter. Bad data raises no error.

docs/guides/sources-and-sinks.md describes the fields, the reasons of dead letters, and masking.
"""

import csv
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.decode.fields import NO_ATTRIBUTES, Columns, Records
from dataflow.decode.formats import READERS, columns_of
from dataflow.decode.masking import masked, patterns_of
from dataflow.decode.registered import check_registry, read_avro, read_protobuf
from dataflow.decode.rejections import Rejections
from dataflow.decode.times import time_format
from dataflow.errors import SettingsError
from dataflow.items.envelope import EVENT_FORMAT, of_records
from dataflow.items.schemas import DEAD_LETTER, DEFAULT_KEY, EVENT, TIMESTAMP, Decoded, dead_letters
from dataflow.settings import Settings

_READERS = {**READERS, "avro": read_avro, "protobuf": read_protobuf}
#: How many bytes a dead letter keeps of a record that is too large.
KEPT_BYTES = 1 << 16


def check_format(settings: Settings, format: str, header: bytes | None = None) -> None:
    """Raise ``SettingsError`` if no record of this format, or under this CSV header, can become an event."""
    source = settings.source
    time_format(source)
    patterns_of(source.mask)
    if format in ("avro", "protobuf"):
        check_registry(settings.registry, format)
    if format == "text":
        for name in ("id_field", "key_field"):
            if getattr(source, name) is not None:
                raise SettingsError(f"source.{name}: lines of plain text have no fields; unset it")
    if header is not None:
        try:
            columns = columns_of(header)
        except (UnicodeDecodeError, csv.Error) as error:
            raise SettingsError(f"source.uri: the CSV header cannot be read: {error}") from None
        for name in ("id_field", "key_field", "ts_field", "text_field"):
            field = getattr(source, name)
            if field and field not in columns:
                raise SettingsError(
                    f"source.{name}={field!r}: no such column; the CSV header has {', '.join(columns)}"
                )


def decode_batch(raw: pa.RecordBatch, settings: Settings, *, now: datetime) -> Decoded:
    """Decode a batch of ``raw_schema``. Events and dead letters keep the order of their records.

    ``now``: the wall clock; an event that is more than ``window.max_future`` later is rejected.
    """
    rejections = Rejections()
    latest = now + settings.window.max_future
    raws = raw.column("raw").to_pylist()
    metadata = raw.schema.metadata
    format = metadata[b"format"].decode()
    if format != EVENT_FORMAT:  # an event was a record that was short enough
        _reject_large(raw, settings.source.max_record_bytes, raws, rejections)
        _reject_empty(raw, rejections)
    records = Records(raws, metadata.get(b"header"), settings.source, latest, settings.registry)
    columns = _READERS[format](records, _of_transport(raw), rejections)
    _reject_future(columns.ts, latest, settings, rejections)
    partition, offset = raw.column("partition"), raw.column("offset")
    events = pa.RecordBatch.from_arrays(
        [
            *(columns.id, columns.key, columns.ts, columns.text),
            *(partition, offset, columns.attributes),
            masked(columns.text, patterns_of(settings.source.mask)),
        ],
        schema=EVENT,
    )
    if not rejections:
        return Decoded(events, dead_letters([]), columns.ambiguous_times)
    good = np.ones(raw.num_rows, bool)
    good[list(rejections)] = False
    return Decoded(events.filter(pa.array(good)), _dead_letters(raw, rejections), columns.ambiguous_times)


def _dead_letters(raw: pa.RecordBatch, rejections: Rejections) -> pa.RecordBatch:
    rows = list(rejections)
    bad = raw.take(pa.array(rows, pa.int64()))
    records = [
        record[:KEPT_BYTES] if rejections[row].reason == "too_large" else record
        for row, record in zip(rows, bad.column("raw").to_pylist(), strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([rejections[row].reason for row in rows], pa.string()),
            pa.array([rejections[row].message for row in rows], pa.string()),
            bad.column("partition"),
            bad.column("offset"),
            pa.array(records, pa.binary()),
            pa.array(of_records(bad), pa.string()),
        ],
        schema=DEAD_LETTER,
    )


def _reject_large(raw: pa.RecordBatch, limit: int, raws: list[bytes], rejections: Rejections) -> None:
    """Reject the records that are longer than ``limit`` bytes, and empty them in ``raws``."""
    lengths = pc.binary_length(raw.column("raw")).to_numpy()
    for row in np.flatnonzero(lengths > limit).tolist():
        kept = min(KEPT_BYTES, len(raws[row]))
        rejections.add(
            row,
            "too_large",
            f"the record is longer than source.max_record_bytes={limit}; the dead letter has its "
            f"first {kept} bytes; send shorter records, or raise the setting",
        )
        raws[row] = b""


def _reject_empty(raw: pa.RecordBatch, rejections: Rejections) -> None:
    empty = pc.equal(pc.binary_length(raw.column("raw")), 0).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(empty).tolist():
        rejections.add(row, "malformed", "the record is empty: a message without a value; send a record")


def _reject_future(ts: pa.Array, latest: datetime, settings: Settings, rejections: Rejections) -> None:
    ahead = pc.greater(ts, pa.scalar(latest, TIMESTAMP)).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(ahead).tolist():
        rejections.add(
            row,
            "future",
            f"{settings.source.ts_field or 'time'}: {ts[row].as_py().isoformat()} is more than "
            f"window.max_future={settings.window.max_future} ahead of the wall clock; correct the clock of "
            f"the sender, or set source.ts_format or source.ts_zone if the time is misread",
        )


def _of_transport(raw: pa.RecordBatch) -> Columns:
    """The columns as the transport knows them. What a record says replaces them."""
    n = raw.num_rows
    partition, offset = raw.column("partition"), raw.column("offset").cast(pa.string())
    return Columns(
        id=pc.binary_join_element_wise(partition, offset, ":"),
        key=_message_key(raw.column("message_key")),
        ts=pc.coalesce(raw.column("message_ts"), raw.column("arrival")),
        text=pa.repeat(pa.scalar(""), n),
        attributes=_of_headers(raw.column("message_headers")),
    )


def _of_headers(headers: pa.Array) -> pa.Array:
    attributes = pc.binary_join_element_wise('{"message_headers":', headers, "}", "")
    return attributes.fill_null(NO_ATTRIBUTES)


def _message_key(keys: pa.Array) -> pa.Array:
    if keys.null_count == len(keys):
        return pa.repeat(pa.scalar(DEFAULT_KEY), len(keys))
    # With backslashes, two different keys that are not UTF-8 stay different.
    decoded = [None if key is None else key.decode(errors="backslashreplace") for key in keys.to_pylist()]
    return pa.array(decoded, pa.string()).fill_null(DEFAULT_KEY)
