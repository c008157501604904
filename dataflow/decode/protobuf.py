"""Reads one Protobuf message. Imports ``google.protobuf`` when it is used.

The registry gives the schema as a descriptor (``format=serialized``), so nothing is compiled.
"""

from base64 import b64decode
from importlib import import_module
from typing import Any

from dataflow.endpoints.registry import Registry, UnknownSchemaError

_SERIALIZED = "serialized"
_WELL_KNOWN = "google/protobuf/"
#: The most bits of a number in the wire format.
_MOST_BITS = 63


def read(payload: bytes, id: int, registry: Registry) -> object:
    """The fields of the message in ``payload``, by their names in the schema ``id``.

    A field that is not set has its default, unless it is optional or a message. Integers of 64 bits are
    strings, as in the JSON of Protobuf. Raises ``ValueError`` if ``payload`` is no such message, and as
    ``registry.schema``.
    """
    from google.protobuf import json_format, message, message_factory  # type: ignore[import-untyped]  # noqa: PLC0415

    file = registry.schema(id, _SERIALIZED, parsed)
    indexes, begin = _indexes(payload)
    descriptor: Any = None
    for index in indexes:
        among = list((descriptor.nested_types_by_name if descriptor else file.message_types_by_name).values())
        if index >= len(among):
            raise ValueError("it names a message that the schema does not have")
        descriptor = among[index]
    found: Any = message_factory.GetMessageClass(descriptor)()
    try:
        found.ParseFromString(payload[begin:])
        return json_format.MessageToDict(
            found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    except (message.DecodeError, json_format.Error, RecursionError) as error:
        raise ValueError(str(error)) from None


def _indexes(payload: bytes) -> tuple[list[int], int]:
    """The path to the message type in its file, and where the message begins.

    >>> _indexes(bytes([0, 99]))
    ([0], 1)
    >>> _indexes(bytes([4, 2, 0, 99]))
    ([1, 0], 3)
    """
    count, at = _zigzag(payload, 0)
    indexes: list[int] = []
    for _ in range(count):  # ends at the end of the payload at the latest
        index, at = _zigzag(payload, at)
        indexes.append(index)
    return (indexes or [0]), at


def _zigzag(payload: bytes, at: int) -> tuple[int, int]:
    """The number at ``at``, not negative, and where it ends. Raises ``ValueError``."""
    number = shift = 0
    while at < len(payload) and shift <= _MOST_BITS:
        byte = payload[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            if number & 1:
                break
            return number >> 1, at
    raise ValueError("it does not say which message of the schema it is")


def parsed(schema: Any, registry: Registry) -> Any:
    """The descriptor of the file with the schema, in a pool with the files that it imports."""
    from google.protobuf import descriptor_pool  # noqa: PLC0415

    if schema.schema_type != "PROTOBUF":
        raise UnknownSchemaError(f"the schema is not Protobuf but {schema.schema_type or 'Avro'}")
    pool: Any = descriptor_pool.DescriptorPool()
    return pool.FindFileByName(_add(schema, None, registry, pool, set()))


def _add(schema: Any, name: str | None, registry: Registry, pool: Any, added: set[str]) -> str:
    """Add the file of ``schema`` to ``pool``, and before it those that it imports. Returns its name."""
    from google.protobuf import descriptor_pb2  # noqa: PLC0415

    file = descriptor_pb2.FileDescriptorProto.FromString(b64decode(schema.schema_str))
    file.name = name or file.name or "schema.proto"
    for reference in schema.references or ():
        if reference.name not in added:
            added.add(reference.name)
            _add(registry.referenced(reference, _SERIALIZED), reference.name, registry, pool, added)
    for needed in file.dependency:
        if needed.startswith(_WELL_KNOWN) and needed not in added:
            added.add(needed)
            _add_well_known(needed, pool, added)
    pool.AddSerializedFile(file.SerializeToString())
    return str(file.name)


def _add_well_known(name: str, pool: Any, added: set[str]) -> None:
    """Add a file that comes with Protobuf, such as that of the type ``Timestamp``."""
    from google.protobuf import descriptor_pb2  # noqa: PLC0415

    module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    file = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
    for needed in file.dependency:
        if needed not in added:
            added.add(needed)
            _add_well_known(needed, pool, added)
    pool.AddSerializedFile(file.SerializeToString())
