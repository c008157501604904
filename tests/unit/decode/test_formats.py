"""What a reader makes of JSON lines, CSV and plain text, and of records that are not in the format."""

from datetime import datetime

import pytest

from tests.support.decoding import ARRIVAL, TS, at, event, rejection, run


@pytest.mark.parametrize(
    ("raw", "reason", "says"),
    [
        (b"{", "malformed", "not JSON"),
        (b"[1]", "malformed", "array"),
        (b"null", "malformed", "null"),
        (b'"x"', "malformed", "string"),
        (b'{"ts": NaN, "text": "x"}', "bad_value", "ts: NaN is not a JSON value"),
        (b'{"a": {"b": -Infinity}}', "bad_value", "-Infinity is not a JSON value"),
        (b'{"a": NaN', "malformed", "not JSON"),
        (b'{"text": "\xff"}', "not_utf8", "byte 0xff at position 10"),
        (b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}", "malformed", "not JSON"),
        (b'{"text": "\\ud8zz"}', "malformed", "not JSON"),
    ],
)
def test_not_a_json_object(raw: bytes, reason: str, says: str) -> None:
    decoded = run(raw)
    assert rejection(decoded)[0] == reason
    assert says in rejection(decoded)[1]
    assert decoded.dead_letters["raw"].to_pylist() == [raw]


def test_nested_deeper_than_can_be_written() -> None:
    deep = b'{"ts": "%s", "text": "x", "a": %s}' % (TS.encode(), b"[" * 500 + b"]" * 500)
    assert rejection(run(deep)) == (
        "malformed",
        "the record has more than 250 levels of nested JSON; send fewer levels",
    )


def test_lone_surrogates_are_replaced_and_pairs_kept() -> None:
    raw = rb'{"ts": "%s", "text": "a\ud800b \ud83d\ude00 \\ud800 \udc00", "x\udfff": 1}' % TS.encode()
    row = event(run(raw))
    assert row["text"] == "a\ufffdb \U0001f600 \\ud800 \ufffd"
    assert row["attributes"] == '{"x\ufffd":1}'


def test_the_last_of_two_like_names_wins() -> None:
    assert event(run(rb'{"ts": "%s", "text": "a", "text": "b"}' % TS.encode()))["text"] == "b"


def test_csv() -> None:
    row = event(
        run(
            b'7,2026-11-23T11:00:00Z,"a ""b"",\nc",web,',
            format="csv",
            header=b"id,ts,text,host,n",
            id_field="id",
            key_field="host",
        )
    )
    assert (row["id"], row["key"], row["text"]) == ("7", "web", 'a "b",\nc')
    assert row["attributes"] == '{"n":""}'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"2026-11-23T11:00:00Z", "malformed"),
        (b"2026-11-23T11:00:00Z,a,b", "malformed"),
        (b'2026-11-23T11:00:00Z,"a', "malformed"),
        (b'2026-11-23T11:00:00Z,"a"b', "malformed"),
        (b"2026-11-23T11:00:00Z,\xff", "not_utf8"),
        (b",a", "bad_time"),
    ],
)
def test_bad_csv_beside_good(raw: bytes, reason: str) -> None:
    good = f'{TS},"fine"'.encode()
    decoded = run(good, raw, good, format="csv", header=b"ts,text")
    assert decoded.events["offset"].to_pylist() == [0, 2]
    assert decoded.dead_letters["reason"].to_pylist() == [reason]


SYSLOG = "%b %d %H:%M:%S"


@pytest.mark.parametrize(
    ("format", "raw", "ts", "text"),
    [
        ("rfc3339", "2026-11-23T11:00:00Z  GET /", at("2026-11-23T11:00:00"), "GET /"),
        ("rfc3339", "2026-11-23 11:00:00 +0100 x", at("2026-11-23T10:00:00"), "x"),
        ("rfc3339", "no time here", ARRIVAL, "no time here"),
        ("epoch_s", "1795431600.5 x", at("2026-11-23T11:00:00.500000"), "x"),
        ("epoch_s", "10.0.0.1 x", ARRIVAL, "10.0.0.1 x"),
        (SYSLOG, "Nov 23 11:00:00 web sshd[1]: x", at("2026-11-23T11:00:00"), "web sshd[1]: x"),
        (SYSLOG, "web: Nov 23 11:00:00", ARRIVAL, "web: Nov 23 11:00:00"),
    ],
)
def test_text_may_start_with_its_time(format: str, raw: str, ts: datetime, text: str) -> None:
    row = event(run(raw.encode(), format="text", ts_format=format))
    assert (row["ts"], row["text"], row["attributes"]) == (ts, text, "{}")


def test_text_with_an_impossible_time() -> None:
    assert rejection(run(b"2026-02-30T00:00:00Z x", format="text"))[0] == "bad_time"
    assert rejection(run(b"caf\xe9", format="text"))[0] == "not_utf8"


def test_text_without_ts_field_is_never_searched_for_a_time() -> None:
    row = event(run(b"2026-11-23T11:00:00Z x", format="text", ts_field=""))
    assert (row["ts"], row["text"]) == (ARRIVAL, "2026-11-23T11:00:00Z x")
