"""Reads one Avro record. Imports ``fastavro`` (an extra) when it is used."""

import io
import json
from types import ModuleType
from typing import Any

from dataflow.endpoints.registry import Registry, UnknownSchemaError
from dataflow.errors import SettingsError


def library() -> ModuleType:
    """The module ``fastavro``. Raises ``SettingsError`` if it is not installed."""
    try:
        import fastavro  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SettingsError(
            "format=avro: fastavro is not installed; pip install 'driftline[registry]'"
        ) from None
    module: ModuleType = fastavro
    return module


def read(payload: bytes, id: int, registry: Registry) -> object:
    """The value in ``payload``, which the schema ``id`` wrote.

    Raises ``ValueError`` if ``payload`` is no such value, and as ``registry.schema``.
    """
    schema = registry.schema(id, None, parsed)
    stream = io.BytesIO(payload)
    try:
        value = library().schemaless_reader(stream, schema, None)
    except Exception as error:  # any bytes may be there
        raise ValueError(f"{type(error).__name__} {error}".strip()) from None
    if left := len(payload) - stream.tell():
        raise ValueError(f"{left} bytes are left")
    return value


def parsed(schema: Any, registry: Registry) -> Any:
    """The schema of the registry as ``fastavro`` needs it, with the schemas that it refers to."""
    if schema.schema_type not in (None, "AVRO"):
        raise UnknownSchemaError(f"the schema is not Avro but {schema.schema_type}")
    named: dict[str, Any] = {}
    _parse_references(schema, registry, named)
    found = library().parse_schema(json.loads(schema.schema_str), named_schemas=named)
    _refuse_recursion(found, named, (), set())
    return found


def _refuse_recursion(schema: Any, named: dict[str, Any], inside: tuple[str, ...], done: set[str]) -> None:
    """Raise ``UnknownSchemaError`` if a type of ``schema`` contains itself.

    Such a value may have any depth, and ``fastavro`` ends the process where the stack ends. ``inside``: the
    types around ``schema``; ``done``: the types that were tried.
    """
    if isinstance(schema, str) and schema in named:
        if schema in inside:
            raise UnknownSchemaError(f"the type {schema} contains itself, which is not supported")
        if schema not in done:
            _refuse_recursion(named[schema], named, inside, done)
    elif isinstance(schema, list):
        for each in schema:
            _refuse_recursion(each, named, inside, done)
    elif isinstance(schema, dict):
        if "fields" in schema:
            inside = (*inside, schema["name"])
        parts = [field["type"] for field in schema.get("fields", ())]
        parts += [schema[name] for name in ("items", "values") if name in schema]
        for part in parts or [schema["type"]]:
            _refuse_recursion(part, named, inside, done)
        done.add(schema.get("name", ""))


def _parse_references(schema: Any, registry: Registry, named: dict[str, Any]) -> None:
    for reference in schema.references or ():
        if reference.name not in named:
            found = registry.referenced(reference, None)
            _parse_references(found, registry, named)
            library().parse_schema(json.loads(found.schema_str), named_schemas=named)
