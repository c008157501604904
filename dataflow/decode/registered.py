"""Reads records whose schema is in a registry: Avro and Protobuf, as the serializers of Kafka write them.

A record begins with the byte 0 and the id of its schema, 4 bytes, big-endian. Its fields become JSON values:
a time becomes RFC 3339, a decimal and a UUID a string, bytes a string if they are UTF-8 and
``{"base64": "..."}`` if not, and a float that is not finite null.
"""

import logging
import math
import struct
from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from dataflow.decode import avro, protobuf
from dataflow.decode.fields import Columns, Fields, Records, columns_of_fields
from dataflow.decode.rejections import Rejections
from dataflow.endpoints.registry import Registry, UnknownSchemaError
from dataflow.settings import Registry as RegistrySettings
from dataflow.telemetry.logs import Line

_MAGIC = 0
_HEADER = struct.Struct(">bI")
_MESSAGE_CHARACTERS = 200
_log = logging.getLogger(__name__)


class _Format(NamedTuple):
    """``name``: for messages. ``read(payload, id, registry)``: the fields of a record."""

    name: str
    read: Callable[[bytes, int, Registry], object]


_AVRO = _Format("Avro", avro.read)
_PROTOBUF = _Format("Protobuf", protobuf.read)


@lru_cache
def open_registry(options: RegistrySettings) -> Registry:
    """The registry of ``options``; one for all that ask. Raises ``SettingsError``."""
    server = f"the schema registry at {options.url}"

    def began(cause: str) -> None:
        _log.warning(Line("registry_away", f"{server}: {cause}", cause=cause))

    def ended(seconds: float, retries: int) -> None:
        sentence = f"{server} answers again after {seconds} s and {retries} retries"
        _log.warning(Line("registry_back", sentence, seconds=seconds, retries=retries))

    return Registry(options, began=began, ended=ended)


def check_registry(options: RegistrySettings, format: str) -> None:
    """Raise ``SettingsError`` if no registry is named, or a package is missing."""
    open_registry(options)
    if format == "avro":
        avro.library()


def read_avro(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read Avro: each record is an Avro record."""
    return _read(_AVRO, records, base, rejections)


def read_protobuf(records: Records, base: Columns, rejections: Rejections) -> Columns:
    """Read Protobuf: each record is a message."""
    return _read(_PROTOBUF, records, base, rejections)


def _read(format: _Format, records: Records, base: Columns, rejections: Rejections) -> Columns:
    registry = open_registry(records.registry)
    rows: list[Fields] = []
    for row, raw in enumerate(records.raws):
        rows.append({} if row in rejections else _fields(format, raw, row, registry, rejections))
    return columns_of_fields(rows, records, base, rejections)


def _fields(format: _Format, raw: bytes, row: int, registry: Registry, rejections: Rejections) -> Fields:
    if len(raw) < _HEADER.size or raw[0] != _MAGIC:
        message = (
            "the record does not begin with the byte 0 and the id of a schema; send it with a serializer "
            "that uses the schema registry, or write format=jsonl or format=text"
        )
        rejections.add(row, "malformed", message)
        return {}
    _, id = _HEADER.unpack_from(raw)
    try:
        value = plain(format.read(raw[_HEADER.size :], id, registry))
    except UnknownSchemaError as error:
        rejections.add(row, "malformed", f"{error}; register it, or correct registry.url")
        return {}
    except ValueError as error:
        why = str(error)[:_MESSAGE_CHARACTERS]
        message = f"the record is not {format.name} of schema {id}: {why}; send what it describes"
        rejections.add(row, "malformed", message)
        return {}
    if not isinstance(value, dict):
        message = f"schema {id} is not that of a record with fields; send records"
        rejections.add(row, "malformed", message)
        return {}
    return value


def plain(value: Any) -> object:
    r"""A value of a record as JSON has it.

    >>> plain({"at": datetime(2026, 11, 23, 11), "sum": Decimal("1.50"), "raw": b"\xff"})
    {'at': '2026-11-23T11:00:00', 'sum': '1.50', 'raw': {'base64': '/w=='}}
    """
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}
