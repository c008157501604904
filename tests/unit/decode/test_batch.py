"""What each field of a record becomes, and what each broken record is told."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from dataflow.decode.batch import KEPT_BYTES, check_format, decode_batch
from dataflow.errors import SettingsError
from dataflow.items import schemas
from dataflow.items.schemas import Decoded
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source.framing import raw_batch

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
ARRIVAL = NOW - timedelta(seconds=3)
TS = "2026-11-23T11:00:00Z"


def run(
    *lines: bytes, format: str = "jsonl", header: bytes | None = None, now: datetime = NOW, **source: Any
) -> Decoded:
    raw = raw_batch(list(enumerate(lines)), "p", ARRIVAL, schemas.raw_schema(format, header))
    return decode_batch(raw, Settings(source=SourceSettings(**source)), now=now)


def line(**fields: Any) -> bytes:
    return orjson.dumps({"ts": TS, "text": "hello"} | fields)


def event(decoded: Decoded) -> dict[str, Any]:
    assert decoded.dead_letters.to_pylist() == []
    (row,) = decoded.events.to_pylist()
    found: dict[str, Any] = row
    return found


def problem(decoded: Decoded) -> tuple[str, str]:
    assert decoded.events.num_rows == 0
    (row,) = decoded.dead_letters.to_pylist()
    return row["reason"], row["message"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


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
    reason, message = problem(run(line(n=value), id_field="n"))
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
    reason, message = problem(run(orjson.dumps(record), id_field="id", key_field="key"))
    assert reason == "missing_field"
    assert message.startswith(f"{field}: absent or null")


@pytest.mark.parametrize("value", [1, True, [], {}])
def test_text_is_a_string(value: object) -> None:
    assert problem(run(line(text=value)))[0] == "bad_value"


@pytest.mark.parametrize(
    ("raw", "reason", "says"),
    [
        (b"{", "malformed", "not JSON"),
        (b"[1]", "malformed", "array"),
        (b"null", "malformed", "null"),
        (b'"x"', "malformed", "string"),
        (b'{"ts": NaN, "text": "x"}', "bad_value", "ts: NaN is no JSON value"),
        (b'{"a": {"b": -Infinity}}', "bad_value", "-Infinity is no JSON value"),
        (b'{"a": NaN', "malformed", "not JSON"),
        (b'{"text": "\xff"}', "not_utf8", "byte 0xff at 10"),
        (b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}", "malformed", "not JSON"),
        (b'{"text": "\\ud8zz"}', "malformed", "not JSON"),
    ],
)
def test_not_a_json_object(raw: bytes, reason: str, says: str) -> None:
    decoded = run(raw)
    assert problem(decoded)[0] == reason
    assert says in problem(decoded)[1]
    assert decoded.dead_letters["raw"].to_pylist() == [raw]


def test_nested_deeper_than_can_be_written() -> None:
    deep = b'{"ts": "%s", "text": "x", "a": %s}' % (TS.encode(), b"[" * 500 + b"]" * 500)
    assert problem(run(deep)) == ("malformed", "JSON nested more than 250 levels deep; flatten it")


def test_lone_surrogates_are_replaced_and_pairs_kept() -> None:
    raw = rb'{"ts": "%s", "text": "a\ud800b \ud83d\ude00 \\ud800 \udc00", "x\udfff": 1}' % TS.encode()
    row = event(run(raw))
    assert row["text"] == "a\ufffdb \U0001f600 \\ud800 \ufffd"
    assert row["attributes"] == '{"x\ufffd":1}'


def test_the_last_of_two_like_names_wins() -> None:
    assert event(run(rb'{"ts": "%s", "text": "a", "text": "b"}' % TS.encode()))["text"] == "b"


def test_too_large() -> None:
    decoded = run(b"x" * 200_000, max_record_bytes=100_000)
    reason, message = problem(decoded)
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


# --- time

RFC3339 = [
    ("2026-11-23T11:00:00Z", "2026-11-23T11:00:00"),
    ("2026-11-23 11:00:00z", "2026-11-23T11:00:00"),
    ("2026-11-23t11:00:00.25+05:30", "2026-11-23T05:30:00.250000"),
    ("2026-11-23T03:00:00,5 -0800", "2026-11-23T11:00:00.500000"),
    ("2026-11-23T11:00:00+01", "2026-11-23T10:00:00"),
    ("2026-11-23T11:00:00.1234567899Z", "2026-11-23T11:00:00.123456"),
    ("2026-11-23T11:00:00", "2026-11-23T11:00:00"),
    (" 2026-11-23T11:00:00Z ", "2026-11-23T11:00:00"),
    ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
]


@pytest.mark.parametrize(("text", "expected"), RFC3339)
@pytest.mark.parametrize("beside", [[], [b"{}"]])
def test_rfc3339(text: str, expected: str, beside: list[bytes]) -> None:
    rows = run(line(ts=text), *beside).events.to_pylist()
    assert [row["ts"] for row in rows] == [at(expected)]


def zoned(text: str, form: str, **source: Any) -> Decoded:
    """``text``, a time in Zurich without its offset, decoded from a field or from the start of a line."""
    source = {"ts_zone": "Europe/Zurich"} | source
    if form == "text":
        return run(text.encode() + b" hello", format="text", **source)
    return run(line(ts=text), **source)


FORMS = pytest.mark.parametrize("form", ["jsonl", "text"])
PATTERNS = pytest.mark.parametrize("ts_format", ["rfc3339", "%Y-%m-%d %H:%M:%S"])


@FORMS
@PATTERNS
def test_a_time_that_the_zone_skips_is_bad(form: str, ts_format: str) -> None:
    for ambiguous in ("earlier", "later", "reject"):
        decoded = zoned("2026-03-29 02:30:00", form, ts_format=ts_format, ts_ambiguous=ambiguous)
        reason, message = problem(decoded)
        assert reason == "bad_time"
        assert message.endswith(
            " does not exist in Europe/Zurich: clocks there were set forward by 1:00:00; "
            "correct it, or set source.ts_format or ts_zone"
        )
        assert decoded.ambiguous_times == 0


@FORMS
@PATTERNS
@pytest.mark.parametrize(
    ("ambiguous", "expected"),
    [({}, "00:30"), ({"ts_ambiguous": "earlier"}, "00:30"), ({"ts_ambiguous": "later"}, "01:30")],
)
def test_a_time_that_the_zone_has_twice(
    form: str, ts_format: str, ambiguous: dict[str, str], expected: str
) -> None:
    decoded = zoned("2026-10-25 02:30:00", form, ts_format=ts_format, **ambiguous)
    assert event(decoded)["ts"] == at(f"2026-10-25T{expected}:00")
    assert decoded.ambiguous_times == 1


@FORMS
def test_a_time_that_the_zone_has_twice_may_be_refused(form: str) -> None:
    decoded = zoned("2026-10-25 02:30:00", form, ts_ambiguous="reject")
    reason, message = problem(decoded)
    assert reason == "bad_time"
    assert "is ambiguous in Europe/Zurich: clocks there were set back by 1:00:00" in message
    assert decoded.ambiguous_times == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-25 01:59:59", "2026-10-24T23:59:59"),
        ("2026-10-25 03:00:00", "2026-10-25T02:00:00"),
        ("2026-10-25 02:30:00+02:00", "2026-10-25T00:30:00"),
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29 03:00:00", "2026-03-29T01:00:00"),
    ],
)
def test_other_times_of_these_nights_are_sound(text: str, expected: str) -> None:
    decoded = zoned(text, "jsonl", ts_ambiguous="reject")
    assert event(decoded)["ts"] == at(expected)
    assert decoded.ambiguous_times == 0


def test_a_key_named_as_the_default_key_is_a_key_as_any_other() -> None:
    assert event(run(line(k="all"), key_field="k"))["key"] == "all"


@pytest.mark.parametrize("ts_format", ["epoch_s", "epoch_ms", "rfc3339", "%d/%b/%Y:%H:%M:%S.%f"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "text"])
def test_a_time_of_a_megabyte_is_bad(ts_format: str, form: str) -> None:
    start = {"rfc3339": "2026-11-23T11:00:00.", "%d/%b/%Y:%H:%M:%S.%f": "23/Nov/2026:11:00:00."}.get(
        ts_format, ""
    )
    text = start + "1" * 900_000
    raw = {"jsonl": line(ts=text), "csv": f"{text},hello".encode(), "text": text.encode() + b" hello"}[form]
    decoded = run(raw, format=form, header=b"ts,text" if form == "csv" else None, ts_format=ts_format)
    reason, message = problem(decoded)
    assert reason == "bad_time"
    assert re.search(r"is longer than the \d+ characters that a time may have", message)
    assert len(message) < 300


@pytest.mark.parametrize("digits", [20, 60, 80, 5000])
def test_a_number_of_many_digits_is_no_time(digits: int) -> None:
    for value in ("9" * digits, "-" + "9" * digits, "0." + "9" * digits + "e999", int("9" * min(digits, 18))):
        assert problem(run(line(ts=value), ts_format="epoch_s"))[0] == "bad_time"
    assert problem(run(b'{"ts": %s, "text": "x"}' % (b"9" * digits), ts_format="epoch_s"))[0] in (
        "bad_time",
        "malformed",
    )


def test_blanks_around_a_time_do_not_count() -> None:
    assert event(run(line(ts=" " * 1000 + TS)))["ts"] == at("2026-11-23T11:00:00")


def test_a_time_without_zone_is_in_ts_zone() -> None:
    row = event(run(line(ts="2026-07-01 12:00:00"), ts_zone="Europe/Zurich"))
    assert row["ts"] == at("2026-07-01T10:00:00")


@pytest.mark.parametrize(
    "value",
    [
        "", "yesterday", "2026-11-23", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "2026-11-23T11:00:00+25:00",
        "2026-11-23T11:00:00+0060", "\u0662026-11-23T11:00:00Z", 1, 1.5, True, [], {},
    ],
)  # fmt: skip
def test_bad_rfc3339(value: object) -> None:
    reason, message = problem(run(line(ts=value)))
    assert reason == "bad_time"
    assert message.startswith("ts: ")
    assert "source.ts_format" in message


@pytest.mark.parametrize(
    ("format", "value", "expected"),
    [
        ("epoch_s", 1795431600, "2026-11-23T11:00:00"),
        ("epoch_s", 1795431600.25, "2026-11-23T11:00:00.250000"),
        ("epoch_s", "1795431600.123456", "2026-11-23T11:00:00.123456"),
        ("epoch_s", "1.7954316e9", "2026-11-23T11:00:00"),
        ("epoch_s", -1, "1969-12-31T23:59:59"),
        ("epoch_ms", 1795431600123, "2026-11-23T11:00:00.123000"),
        ("epoch_ms", "1795431600123", "2026-11-23T11:00:00.123000"),
    ],
)
def test_epoch(format: str, value: object, expected: str) -> None:
    assert event(run(line(ts=value), ts_format=format))["ts"] == at(expected)


@pytest.mark.parametrize(
    "value", [True, "nan", "inf", "", "1_0", 1e300, 2**63, -(2**62), "9" * 5000, "12 13"]
)
def test_bad_epoch(value: object) -> None:
    reason, message = problem(run(line(ts=value), ts_format="epoch_s"))
    assert reason == "bad_time"
    assert len(message) < 300


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%Y/%m/%d %H:%M", "2026/11/23 11:00", "2026-11-23T11:00:00"),
        ("%d.%m.%y %I:%M:%S %p", "22.11.26 01:02:03 pm", "2026-11-22T13:02:03"),
        ("%I%p %F", "12AM 2026-11-23", "2026-11-23T00:00:00"),
        ("%a %b %e %T %Z %Y", "Sun Nov  1 11:00:00 UTC 2026", "2026-11-01T11:00:00"),
        ("%A %d %B %Y %T.%f%z", "Monday 23 November 2026 11:00:00.1234569+01", "2026-11-23T10:00:00.123456"),
        ("%Y %j %H%%", "2024 366 11%", "2024-12-31T11:00:00"),
        ("[%D]", "[11/23/26]", "2026-11-23T00:00:00"),
    ],
)  # fmt: skip
def test_strptime_pattern(pattern: str, text: str, expected: str) -> None:
    assert event(run(line(ts=text), ts_format=pattern))["ts"] == at(expected)


SYSLOG = "%b %d %H:%M:%S"


@pytest.mark.parametrize(
    ("now", "text", "year", "expected"),
    [
        ("2026-11-23T12:00:00", "Nov 23 11:00:00", None, "2026-11-23T11:00:00"),
        ("2026-11-23T12:00:00", "Nov 23 12:05:00", None, "2026-11-23T12:05:00"),  # within max_future
        ("2026-11-23T12:00:00", "Nov 23 12:05:01", None, "2025-11-23T12:05:01"),
        ("2026-01-01T00:00:10", "Dec 31 23:59:50", None, "2025-12-31T23:59:50"),
        ("2025-12-31T23:59:50", "Jan  1 00:00:10", None, "2026-01-01T00:00:10"),
        ("2026-11-23T12:00:00", "Feb 29 00:00:00", None, "2024-02-29T00:00:00"),
        ("2026-11-23T12:00:00", "Dec 10 06:55:46", 2017, "2017-12-10T06:55:46"),
    ],
)
def test_a_pattern_without_year(now: str, text: str, year: int | None, expected: str) -> None:
    row = event(run(line(ts=text), ts_format=SYSLOG, ts_year=year, now=at(now)))
    assert row["ts"] == at(expected)


def test_the_new_year_comes_earlier_in_the_east() -> None:
    decoded = run(
        line(ts="Jan  1 07:05:00"), ts_format=SYSLOG, ts_zone="Asia/Tokyo", now=at("2025-12-31T22:00:00")
    )
    assert event(decoded)["ts"] == at("2025-12-31T22:05:00")


def test_no_such_day_in_ts_year() -> None:
    decoded = run(line(ts="Feb 29 00:00:00"), ts_format=SYSLOG, ts_year=2026)
    assert problem(decoded)[0] == "bad_time"


@pytest.mark.parametrize("beyond", [timedelta(0), timedelta(microseconds=1)])
def test_future_guard(beyond: timedelta) -> None:
    decoded = run(line(ts=(NOW + timedelta(minutes=5) + beyond).isoformat()))
    if beyond:
        reason, message = problem(decoded)
        assert reason == "future"
        assert "window.max_future" in message
    else:
        assert decoded.events.num_rows == 1


def test_no_ts_field_takes_the_transport_time() -> None:
    assert event(run(line(), ts_field=""))["ts"] == ARRIVAL
    raw = raw_batch([(0, line())], "p", ARRIVAL, schemas.raw_schema("jsonl"), message_ts_ms=[1795431600123])
    stamped = decode_batch(raw, Settings(source=SourceSettings(ts_field="")), now=NOW)
    assert event(stamped)["ts"] == at("2026-11-23T11:00:00.123000")


def test_message_keys() -> None:
    records = [(i, line()) for i in range(3)]
    raw = raw_batch(records, "p", ARRIVAL, schemas.raw_schema("jsonl"), message_keys=[b"k", None, b"\xff"])
    assert decode_batch(raw, Settings(), now=NOW).events["key"].to_pylist() == ["k", "all", "\\xff"]


# --- CSV and text


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
    assert problem(run(b"2026-02-30T00:00:00Z x", format="text"))[0] == "bad_time"
    assert problem(run(b"caf\xe9", format="text"))[0] == "not_utf8"


def test_text_without_ts_field_is_never_searched_for_a_time() -> None:
    row = event(run(b"2026-11-23T11:00:00Z x", format="text", ts_field=""))
    assert (row["ts"], row["text"]) == (ARRIVAL, "2026-11-23T11:00:00Z x")


# --- mistakes in the settings


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
        check_format(Settings(source=SourceSettings(**source)), format, header)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_batch() -> None:
    for format in ("jsonl", "csv", "text"):
        decoded = run(format=format, header=b"ts,text", id_field=None)
        assert (decoded.events.num_rows, decoded.dead_letters.num_rows) == (0, 0)
