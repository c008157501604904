"""Event times: RFC 3339 and epochs, and values that are not times."""

import re

import pytest

from tests.support.decoding import TS, at, event, line, rejection, run

TIMES = [
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


@pytest.mark.parametrize(("text", "expected"), TIMES)
@pytest.mark.parametrize("beside", [[], [b"{}"]])
def test_rfc3339(text: str, expected: str, beside: list[bytes]) -> None:
    rows = run(line(ts=text), *beside).events.to_pylist()
    assert [row["ts"] for row in rows] == [at(expected)]


@pytest.mark.parametrize("ts_format", ["epoch_s", "epoch_ms", "rfc3339", "%d/%b/%Y:%H:%M:%S.%f"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "text"])
def test_a_time_of_a_megabyte_is_bad(ts_format: str, form: str) -> None:
    start = {"rfc3339": "2026-11-23T11:00:00.", "%d/%b/%Y:%H:%M:%S.%f": "23/Nov/2026:11:00:00."}.get(
        ts_format, ""
    )
    text = start + "1" * 900_000
    raw = {"jsonl": line(ts=text), "csv": f"{text},hello".encode(), "text": text.encode() + b" hello"}[form]
    decoded = run(raw, format=form, header=b"ts,text" if form == "csv" else None, ts_format=ts_format)
    reason, message = rejection(decoded)
    assert reason == "bad_time"
    assert re.search(r"is longer than the \d+ characters that a time may have", message)
    assert len(message) < 300


@pytest.mark.parametrize("digits", [20, 60, 80, 5000])
def test_a_number_of_many_digits_is_no_time(digits: int) -> None:
    for value in ("9" * digits, "-" + "9" * digits, "0." + "9" * digits + "e999", int("9" * min(digits, 18))):
        assert rejection(run(line(ts=value), ts_format="epoch_s"))[0] == "bad_time"
    assert rejection(run(b'{"ts": %s, "text": "x"}' % (b"9" * digits), ts_format="epoch_s"))[0] in (
        "bad_time",
        "malformed",
    )


def test_blanks_around_a_time_do_not_count() -> None:
    assert event(run(line(ts=" " * 1000 + TS)))["ts"] == at("2026-11-23T11:00:00")


@pytest.mark.parametrize(
    "value",
    [
        "", "yesterday", "2026-11-23", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "2026-11-23T11:00:00+25:00",
        "2026-11-23T11:00:00+0060", "\u0662026-11-23T11:00:00Z", 1, 1.5, True, [], {},
    ],
)  # fmt: skip
def test_bad_rfc3339(value: object) -> None:
    reason, message = rejection(run(line(ts=value)))
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
    reason, message = rejection(run(line(ts=value), ts_format="epoch_s"))
    assert reason == "bad_time"
    assert len(message) < 300
