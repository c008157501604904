"""What each field of a record becomes."""

from typing import Any

import orjson
import pytest

from dataflow.items import schemas
from tests.support.decoding import TS, at, event, line, rejection, run


def test_all_fields() -> None:
    decoded = run(
        b'{"id": "a", "host": "web", "ts": "2026-11-23T11:00:00.5+01:00", "z": 1, "msg": "hi", "a": [null]}',
        id_field="id",
        key_field="host",
        text_field="msg",
    )
    assert decoded.events.schema == schemas.EVENT
    assert event(decoded) == {
        "id": "a",
        "key": "web",
        "ts": at("2026-11-23T10:00:00.500000"),
        "text": "hi",
        "partition": "p",
        "offset": 0,
        "attributes": '{"z":1,"a":[null]}',
        "masked": None,
    }


def test_defaults_are_position_and_one_key() -> None:
    row = event(run(line()))
    assert (row["id"], row["key"], row["attributes"]) == ("p:0", "all", "{}")


def test_two_roles_may_share_a_field() -> None:
    row = event(run(line(), id_field="text", key_field="text"))
    assert (row["id"], row["key"], row["text"]) == ("hello", "hello", "hello")


@pytest.mark.parametrize(("value", "expected"), [("x", "x"), (7, "7"), (-(2**63), str(-(2**63)))])
def test_id_is_a_string_or_an_integer(value: object, expected: str) -> None:
    assert event(run(line(n=value), id_field="n"))["id"] == expected


@pytest.mark.parametrize("value", ["", 1.5, True, [1], {}])
def test_other_ids_are_bad(value: object) -> None:
    reason, message = rejection(run(line(n=value), id_field="n"))
    assert reason == "bad_value"
    assert message.startswith("n: ")


@pytest.mark.parametrize(
    ("value", "expected"), [("", ""), ("k", "k"), (7, "7"), (1.5, "1.5"), (True, "true")]
)
def test_key_is_any_scalar(value: object, expected: str) -> None:
    assert event(run(line(k=value), key_field="k"))["key"] == expected


@pytest.mark.parametrize("field", ["ts", "text", "id", "key"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_missing_field(field: str, how: str) -> None:
    record: dict[str, Any] = {"ts": TS, "text": "t", "id": "i", "key": "k"}
    if how == "null":
        record[field] = None
    else:
        del record[field]
    reason, message = rejection(run(orjson.dumps(record), id_field="id", key_field="key"))
    assert reason == "missing_field"
    assert message.startswith(f"{field}: the field is absent or null")


@pytest.mark.parametrize("value", [1, True, [], {}])
def test_text_is_a_string(value: object) -> None:
    assert rejection(run(line(text=value)))[0] == "bad_value"


def test_a_key_named_as_the_default_key_is_a_key_as_any_other() -> None:
    assert event(run(line(k="all"), key_field="k"))["key"] == "all"
