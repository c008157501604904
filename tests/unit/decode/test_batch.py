"""A batch is decoded: order, positions, limits, the transport's columns, and mistakes in the settings."""

import json
from datetime import timedelta
from typing import Any

import pytest

from dataflow.decode.batch import KEPT_BYTES, check_format, decode_batch
from dataflow.errors import SettingsError
from dataflow.items import schemas
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source.batching import raw_batch
from tests.support.decoding import ARRIVAL, NOW, at, event, line, rejection, run


def test_too_large() -> None:
    decoded = run(b"x" * 200_000, max_record_bytes=100_000)
    reason, message = rejection(decoded)
    assert reason == "too_large"
    assert "source.max_record_bytes=100000" in message
    assert f"first {KEPT_BYTES} bytes" in message
    assert decoded.dead_letters["raw"].to_pylist() == [b"x" * KEPT_BYTES]
    assert event(run(line(), max_record_bytes=len(line())))["text"] == "hello"


def test_order_and_positions_survive_the_split() -> None:
    decoded = run(line(n=0), b"?", line(n=2), b"{}", line(n=4))
    assert decoded.events["offset"].to_pylist() == [0, 2, 4]
    assert decoded.dead_letters["offset"].to_pylist() == [1, 3]
    assert decoded.dead_letters.schema == schemas.DEAD_LETTER


@pytest.mark.parametrize("beyond", [timedelta(0), timedelta(microseconds=1)])
def test_future_guard(beyond: timedelta) -> None:
    decoded = run(line(ts=(NOW + timedelta(minutes=5) + beyond).isoformat()))
    if beyond:
        reason, message = rejection(decoded)
        assert reason == "future"
        assert "window.max_future" in message
    else:
        assert decoded.events.num_rows == 1


def test_no_ts_field_takes_the_transport_time() -> None:
    assert event(run(line(), ts_field=""))["ts"] == ARRIVAL
    raw = raw_batch([line()], [0], "p", ARRIVAL, schemas.raw_schema("jsonl"), message_ts_ms=[1795431600123])
    stamped = decode_batch(raw, Settings(source=SourceOptions(ts_field="")), now=NOW)
    assert event(stamped)["ts"] == at("2026-11-23T11:00:00.123000")


def test_message_keys() -> None:
    raw = raw_batch(
        [line()] * 3, range(3), "p", ARRIVAL, schemas.raw_schema("jsonl"), message_keys=[b"k", None, b"\xff"]
    )
    assert decode_batch(raw, Settings(), now=NOW).events["key"].to_pylist() == ["k", "all", "\\xff"]


@pytest.mark.parametrize(
    ("format", "header", "source", "says"),
    [
        ("jsonl", None, {"ts_format": "iso"}, "source.ts_format='iso'"),
        ("jsonl", None, {"ts_format": "%H:%M"}, "no day and month"),
        ("jsonl", None, {"ts_format": "%Y-%m-%d %Q"}, "no such directive %Q"),
        ("jsonl", None, {"ts_format": "%Y-%m-%d %Y"}, "twice"),
        ("text", None, {"key_field": "host"}, "source.key_field"),
        (
            "csv",
            b"ts,message",
            {},
            "source.text_field='text': no such column; the CSV header has ts, message",
        ),
        ("csv", b"ts,\xff", {}, "CSV header cannot be read"),
        ("csv", b'ts,"text', {}, "CSV header cannot be read"),
    ],
)
def test_check(format: str, header: bytes | None, source: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_format(Settings(source=SourceOptions(**source)), format, header)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_batch() -> None:
    for format in ("jsonl", "csv", "text"):
        decoded = run(format=format, header=b"ts,text", id_field=None)
        assert (decoded.events.num_rows, decoded.dead_letters.num_rows) == (0, 0)


def test_headers_become_an_attribute_beside_the_fields_of_the_record() -> None:
    headers = [b'{"a":"1","b":null}', None, b'{"a":"2"}', b'{"a":"3"}']
    records = [line(n=1), line(n=2), line(message_headers="own"), b"?"]
    for format, of_record in (("jsonl", {"n": 1}), ("text", {})):
        schema = schemas.raw_schema(format)
        raw = raw_batch(records, [0, 1, 2, 3], "p", ARRIVAL, schema, message_headers=headers)
        decoded = decode_batch(raw, Settings(), now=NOW)
        found = [json.loads(each) for each in decoded.events["attributes"].to_pylist()]
        assert found[0] == of_record | {"message_headers": {"a": "1", "b": None}}
        assert found[1] == ({"n": 2} if format == "jsonl" else {})
        assert found[2]["message_headers"] == ("own" if format == "jsonl" else {"a": "2"})


@pytest.mark.parametrize("format", ["jsonl", "text", "csv"])
def test_an_empty_record_is_a_dead_letter(format: str) -> None:
    header = b"ts,text" if format == "csv" else None
    reason, message = rejection(run(b"", format=format, header=header))
    assert (reason, message) == (
        "malformed",
        "the record is empty: a message without a value; send a record",
    )
