"""Rows of ``sink.dead_letters`` and ``sink.late`` as letters: a whole record, or why there is none."""

import csv
import hashlib
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from dataflow.decode.formats import columns_of
from dataflow.errors import SourceError
from dataflow.items.envelope import EVENT_FORMAT
from dataflow.items.schemas import DEFAULT_KEY
from dataflow.settings import Settings
from dataflow.source.dead_letters.selection import Record

#: The reason of a late event.
LATE = "late"
_OF_TRANSPORT = ("arrival", "message_key", "message_key_base64", "message_ts", "message_headers")


@dataclass(frozen=True)
class Letter:
    """A dead letter, or a late event, whose ``reason`` is :data:`LATE`.

    ``key``: the key that the record seems to have, as text; ``None``: it says none. ``time``: when the record
    of a dead letter was read, or the event time of an event; microseconds since the Unix epoch, UTC.
    ``record``: what can be decoded again, without an event time; ``None``: there is no whole record, and
    ``flaw`` says why.
    """

    reason: str
    message: str
    partition: str
    offset: int
    key: str | None
    time: int | None
    record: Record | None = None
    flaw: str = ""


def letter_of(row: bytes, uri: str, settings: Settings) -> Letter:
    """The letter in a row as JSON. Raises ``SourceError`` if the row is of another stream."""
    try:
        fields = orjson.loads(row)
        position = {"partition": str(fields["partition"]), "offset": int(fields["offset"])}
        if "late_by_us" in fields:
            late_by = f"{fields['late_by_us'] / 1e6:.0f} s after its last window had closed"
            return _event_letter(LATE, f"the event came {late_by}", position, fields, fields["text"])
        return _dead_letter(fields, position, settings)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise SourceError(
            f"{uri}: has a row that is neither a dead letter nor a late event; name the output of "
            "sink.dead_letters or of sink.late"
        ) from None


def _dead_letter(fields: dict[str, Any], position: dict[str, Any], settings: Settings) -> Letter:
    envelope, raw = _json(fields.get("envelope", {})), _raw(fields)
    reason, message = fields["reason"], fields["message"]
    if envelope.get("format") == EVENT_FORMAT:
        return _event_letter(reason, message, position, envelope, raw.decode())
    metadata = {name: value for name, value in envelope.items() if name not in _OF_TRANSPORT}
    message_key = _bytes(envelope, "message_key")
    letter = Letter(
        reason=reason,
        message=message,
        key=_key_of(raw, metadata, message_key, settings),
        time=_micros(envelope.get("arrival")),
        **position,
    )
    if flaw := _flaw(fields, metadata):
        return replace(letter, flaw=flaw)
    headers = envelope.get("message_headers")
    record = _record(position, metadata, raw, letter.time or 0)._replace(
        message_key=message_key,
        message_ts=_micros(envelope.get("message_ts")),
        message_headers=None if headers is None else orjson.dumps(headers).decode(),
    )
    return replace(letter, record=record)


def _event_letter(
    reason: str, message: str, position: dict[str, Any], fields: Mapping[str, Any], text: str
) -> Letter:
    """The letter of an event that was decoded before. ``fields`` have its other columns."""
    time, attributes = _micros(fields["ts"]), fields["attributes"]
    if not isinstance(attributes, str):
        attributes = orjson.dumps(attributes)
    # orjson writes 254 levels of JSON at most, and the attributes may have them all.
    attributes = orjson.Fragment(attributes)
    event = {"id": fields["id"], "key": fields["key"], "ts": time, "text": text, "attributes": attributes}
    record = _record(position, {"format": EVENT_FORMAT}, orjson.dumps(event), time or 0)
    return Letter(reason=reason, message=message, key=fields["key"], time=time, record=record, **position)


def _record(position: dict[str, Any], metadata: dict[str, str], raw: bytes, arrival: int) -> Record:
    return Record(
        ts=0,
        metadata=orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS).decode(),
        digest=hashlib.blake2b(raw, digest_size=16).digest(),
        raw=raw,
        arrival=arrival,
        message_key=None,
        message_ts=None,
        message_headers=None,
        **position,
    )


def _flaw(fields: dict[str, Any], metadata: dict[str, str]) -> str:
    """Why the record of a dead letter is not there as a whole; empty: it is."""
    again = "read the source itself again"
    if "raw_bytes" in fields:
        return f"the row was cut to fit a Kafka message; {again}, or write dead letters to files or tables"
    if fields["reason"] == "too_large":
        return f"the dead letter has the beginning only; raise source.max_record_bytes, and {again}"
    return "" if "format" in metadata else f"the row does not say how the record was read; {again}"


def _key_of(
    raw: bytes, metadata: dict[str, str], message_key: bytes | None, settings: Settings
) -> str | None:
    """The key that the record seems to have, even if the record cannot be decoded."""
    field = settings.source.key_field
    if field is None or metadata.get("format") == "text":
        return message_key.decode(errors="backslashreplace") if message_key is not None else DEFAULT_KEY
    value: object = None
    with suppress(ValueError, csv.Error, AttributeError):
        if "header" in metadata:
            names = columns_of(metadata["header"].encode())
            value = dict(zip(names, next(csv.reader([raw.decode()])), strict=False)).get(field)
        else:
            value = orjson.loads(raw).get(field)
    if value is None or isinstance(value, dict | list):
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _json(value: Any) -> Any:
    """A part of a row that is JSON, or the text of JSON where the row came from a table."""
    return orjson.loads(value) if isinstance(value, str) else value


def _raw(fields: dict[str, Any]) -> bytes:
    raw = fields.get("raw")
    if isinstance(raw, dict):  # of a table, where the bytes are not UTF-8
        return b64decode(raw["base64"])
    found = _bytes(fields, "raw")
    return found if found is not None else b""


def _bytes(fields: dict[str, Any], name: str) -> bytes | None:
    if f"{name}_base64" in fields:
        return b64decode(fields[f"{name}_base64"])
    text = fields.get(name)
    return None if text is None else str(text).encode()


def _micros(text: str | None) -> int | None:
    if text is None:
        return None
    return int(np.datetime64(text.removesuffix("Z"), "us").astype(np.int64))
