"""Records of Avro and Protobuf, whose schemas a registry has."""

import base64
import io
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    timestamp_pb2,
)

from dataflow.decode.batch import check_format, decode_batch
from dataflow.errors import OutageError, SettingsError
from dataflow.items.schemas import Decoded
from dataflow.settings import Registry, Settings, Source
from tests.support.batches import raw
from tests.support.decoding import ARRIVAL, NOW, at
from tests.support.registry import FakeRegistry, framed, registry

AVRO = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "text", "type": ["null", "string"]},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "share", "type": "double"},
        {"name": "place", "type": "Place"},
    ],
}
PLACE = {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}
ORDER: dict[str, Any] = {
    "ts": datetime(2026, 11, 23, 11, 0, 0, 5, timezone.utc),
    "text": "hello",
    "total": Decimal("1.50"),
    "share": float("nan"),
    "place": {"city": "Zürich"},
}


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    reference = {"name": "Place", "subject": "place", "version": 3}
    with registry() as fake:
        fake.schemas[1] = {"schema": json.dumps(AVRO), "references": [reference]}
        fake.schemas[2] = {"schema": '"string"'}
        fake.schemas[3] = {"schema": '{"type": "record"}'}
        fake.versions["place", 3] = {"schema": json.dumps(PLACE)}
        yield fake


def decoded(server: FakeRegistry, format: str, *records: bytes, **options: Any) -> Decoded:
    settings = Settings(source=Source(**options), registry=Registry(url=server.url, max_outage=timedelta(0)))
    return decode_batch(raw(records, format=format, arrival=ARRIVAL), settings, now=NOW)


def reasons(found: Decoded) -> list[str]:
    assert set(found.dead_letters["reason"].to_pylist()) <= {"malformed"}
    return [str(message) for message in found.dead_letters["message"].to_pylist()]


def avro(**fields: Any) -> bytes:
    out = io.BytesIO()
    named: dict[str, Any] = {}
    fastavro.parse_schema(PLACE, named_schemas=named)
    schema = fastavro.parse_schema(AVRO, named_schemas=named)
    fastavro.schemaless_writer(out, schema, ORDER | fields)
    return out.getvalue()


def test_an_avro_record_is_an_event(server: FakeRegistry) -> None:
    found = decoded(server, "avro", framed(1, avro()), framed(1, avro(text="two")))
    assert found.events["text"].to_pylist() == ["hello", "two"]
    assert found.events["ts"][0].as_py() == at("2026-11-23T11:00:00.000005")
    attributes = json.loads(found.events["attributes"][0].as_py())
    assert attributes == {"total": "1.50", "share": None, "place": {"city": "Zürich"}}
    assert server.asked == ["/schemas/ids/1", "/subjects/place/versions/3?deleted=false"]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b'{"ts": 1}', "does not begin with the byte 0 and the id of a schema"),
        (b"\0\0\0", "does not begin with the byte 0"),
        (framed(9, b""), "the registry has no schema 9; register it, or correct registry.url"),
        (framed(3, b""), "schema 3 cannot be used: "),
        (framed(1, avro()[:-1]), "the record is not Avro of schema 1: "),
        (framed(1, avro() + b"x"), "the record is not Avro of schema 1: 1 bytes are left"),
        (framed(2, b"\x02a"), "schema 2 is not that of a record with fields"),
        (framed(1, b"\xff" * 40), "the record is not Avro of schema 1: "),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter(server: FakeRegistry, record: bytes, says: str) -> None:
    found = decoded(server, "avro", framed(1, avro()), record, framed(1, avro()))
    assert found.events["offset"].to_pylist() == [0, 2]
    assert found.dead_letters["raw"].to_pylist() == [record]
    (message,) = reasons(found)
    assert says in message


def test_a_field_that_is_null_is_missing(server: FakeRegistry) -> None:
    found = decoded(server, "avro", framed(1, avro(text=None)))
    assert found.dead_letters["reason"].to_pylist() == ["missing_field"]


@pytest.mark.parametrize("format", ["avro", "protobuf"])
def test_an_outage_makes_no_dead_letters(server: FakeRegistry, format: str) -> None:
    server.failures = [503]
    with pytest.raises(OutageError):
        decoded(server, format, framed(1, avro()))


def test_an_outage_that_ends_is_logged(server: FakeRegistry, caplog: pytest.LogCaptureFixture) -> None:
    server.failures = [503]
    settings = Settings(registry=Registry(url=server.url))
    found = decode_batch(raw([framed(1, avro())], format="avro", arrival=ARRIVAL), settings, now=NOW)
    assert len(found.events) == 1
    assert f"the schema registry at {server.url}: status 503" in caplog.text
    assert f"the schema registry at {server.url} answers again after " in caplog.text


@pytest.mark.parametrize("format", ["avro", "protobuf"])
def test_without_a_registry_the_start_ends(format: str) -> None:
    with pytest.raises(SettingsError, match=r"registry\.url: set it"):
        check_format(Settings(), format)


def proto_files() -> tuple[descriptor_pb2.FileDescriptorProto, descriptor_pb2.FileDescriptorProto]:
    """``place.proto``, and ``order.proto``, which imports it and a file of Protobuf."""
    of = descriptor_pb2.FieldDescriptorProto
    place = descriptor_pb2.FileDescriptorProto(name="place.proto", package="shop", syntax="proto3")
    place.message_type.add(name="Place").field.add(name="city", number=1, type=of.TYPE_STRING, label=1)
    order = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    order.dependency.extend(["place.proto", "google/protobuf/timestamp.proto"])
    order.message_type.add(name="Other")
    outer = order.message_type.add(name="Outer")
    inner = outer.nested_type.add(name="Order")
    stamp = ".google.protobuf.Timestamp"
    inner.field.add(name="ts", number=1, type=of.TYPE_MESSAGE, type_name=stamp, label=1)
    inner.field.add(name="text", number=2, type=of.TYPE_STRING, label=1)
    inner.field.add(name="place_of", number=3, type=of.TYPE_MESSAGE, type_name=".shop.Place", label=1)
    inner.field.add(name="many", number=4, type=of.TYPE_INT64, label=1)
    return place, order


@pytest.fixture
def shop(server: FakeRegistry) -> FakeRegistry:
    """``server`` with the schema 5, in Protobuf."""

    def answer(file: descriptor_pb2.FileDescriptorProto, **more: Any) -> dict[str, Any]:
        text = base64.b64encode(file.SerializeToString()).decode()
        return {"schema": text, "schemaType": "PROTOBUF", **more}

    place, order = proto_files()
    order.name = "default"  # the registry does not know the name of a file
    reference = {"name": "place.proto", "subject": "place-proto", "version": 1}
    server.schemas[5] = answer(order, references=[reference])
    place.name = "default"
    server.versions["place-proto", 1] = answer(place)
    return server


def order_message(text: str, city: str, many: int) -> bytes:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    for file in proto_files():
        pool.AddSerializedFile(file.SerializeToString())
    kind: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Outer.Order"))
    made = kind(text=text, place_of={"city": city}, many=many)
    made.ts.FromDatetime(datetime(2026, 11, 23, 11))
    return bytes(made.SerializeToString())


#: The path to ``Outer.Order``: two numbers, 1 and 0.
ORDER_PATH = bytes([4, 2, 0])


def test_a_protobuf_message_is_an_event(shop: FakeRegistry) -> None:
    record = framed(5, ORDER_PATH + order_message("hello", "Bern", 0))
    found = decoded(shop, "protobuf", record, record)
    assert reasons(found) == []
    assert found.events["text"].to_pylist() == ["hello"] * 2
    assert found.events["ts"][0].as_py() == at("2026-11-23T11:00:00")
    assert json.loads(found.events["attributes"][0].as_py()) == {"place_of": {"city": "Bern"}, "many": "0"}
    assert len(shop.asked) == 2
    assert all("format=serialized" in path for path in shop.asked)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"\0", "ts: the field is absent or null"),  # the first message, Other, has no fields
        (bytes([2, 8]), "it names a message that the schema does not have"),
        (b"", "it does not say which message of the schema it is"),
        (b"\xff" * 12, "it does not say which message of the schema it is"),
        (ORDER_PATH + b"\xff", "the record is not Protobuf of schema 5: "),
    ],
)
def test_what_is_no_message_is_a_dead_letter(shop: FakeRegistry, payload: bytes, says: str) -> None:
    found = decoded(shop, "protobuf", framed(5, payload))
    (message,) = found.dead_letters["message"].to_pylist()
    assert says in message


@pytest.mark.parametrize("kind", ["field", "list", "map", "reference"])
def test_a_type_that_contains_itself_is_refused(server: FakeRegistry, kind: str) -> None:
    """Its values may have any depth: 100,000 levels end the process if fastavro reads them."""
    parts: dict[str, Any] = {
        "field": ["null", "Node"],
        "list": ["null", {"type": "array", "items": "Node"}],
        "map": ["null", {"type": "map", "values": "Node"}],
        "reference": ["null", "Place"],
    }
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": parts[kind]}]}
    server.schemas[6] = {"schema": json.dumps(node)}
    if kind == "reference":
        looped = {"type": "record", "name": "Place", "fields": [{"name": "p", "type": ["null", "Place"]}]}
        server.versions["place", 3] = {"schema": json.dumps(looped)}
        server.schemas[6]["references"] = server.schemas[1]["references"]
    (message,) = reasons(decoded(server, "avro", framed(6, b"\2" * 100_000 + b"\0")))
    assert "contains itself, which is not supported" in message


def test_a_type_may_be_used_twice(server: FakeRegistry) -> None:
    twice = json.loads(json.dumps(AVRO))
    twice["fields"].append({"name": "other", "type": ["null", "Place"]})
    server.schemas[1]["schema"] = json.dumps(twice)
    assert len(decoded(server, "avro", framed(1, avro() + b"\0")).events) == 1


def test_the_extra_is_named(server: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(SettingsError, match=r"pip install 'driftline\[registry\]'"):
        check_format(Settings(registry=Registry(url=server.url)), "avro")


@pytest.mark.parametrize(("format", "id", "says"), [("avro", 5, "not Avro"), ("protobuf", 1, "not Protobuf")])
def test_a_schema_of_the_other_format_is_named(shop: FakeRegistry, format: str, id: int, says: str) -> None:
    (message,) = reasons(decoded(shop, format, framed(id, ORDER_PATH)))
    assert f"the schema is {says}" in message
