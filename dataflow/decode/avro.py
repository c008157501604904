"""Reads one Avro record. Imports ``fastavro`` (an extra) when it is used."""

import io
import json
from typing import Any

from dataflow.endpoints.registry import Registry, UnknownSchemaError


def read(payload: bytes, id: int, registry: Registry) -> object:
    """The value in ``payload``, which the schema ``id`` wrote.

    Raises ``ValueError`` if ``payload`` is no such value, and as ``registry.schema``.
    """
    import fastavro  # noqa: PLC0415  (an extra)

    schema = registry.schema(id, None, parsed)
    stream = io.BytesIO(payload)
    try:
        value = fastavro.schemaless_reader(stream, schema, None)
    except Exception as error:  # any bytes may be there
        raise ValueError(f"{type(error).__name__} {error}".strip()) from None
    if left := len(payload) - stream.tell():
        raise ValueError(f"{left} bytes are left")
    return value


def parsed(schema: Any, registry: Registry) -> Any:
    """The schema of the registry as ``fastavro`` needs it, with the schemas that it refers to."""
    import fastavro  # noqa: PLC0415  (an extra)

    if schema.schema_type not in (None, "AVRO"):
        raise UnknownSchemaError(f"the schema is not Avro but {schema.schema_type}")
    named: dict[str, Any] = {}
    _parse_references(schema, registry, named)
    return fastavro.parse_schema(json.loads(schema.schema_str), named_schemas=named)


def _parse_references(schema: Any, registry: Registry, named: dict[str, Any]) -> None:
    import fastavro  # noqa: PLC0415  (an extra)

    for reference in schema.references or ():
        if reference.name not in named:
            found = registry.referenced(reference, None)
            _parse_references(found, registry, named)
            fastavro.parse_schema(json.loads(found.schema_str), named_schemas=named)
