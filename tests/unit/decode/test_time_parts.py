"""Times with parts missing: the zone, the year; and the nights in which clocks are set."""

from typing import Any

import pytest

from dataflow.items.schemas import Decoded
from tests.support.decoding import at, event, line, rejection, run


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
        reason, message = rejection(decoded)
        assert reason == "bad_time"
        assert message.endswith(
            " does not exist in Europe/Zurich: clocks there were set forward by 1:00:00; "
            "correct the time, or set source.ts_format or source.ts_zone"
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
    reason, message = rejection(decoded)
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


def test_a_time_without_zone_is_in_ts_zone() -> None:
    row = event(run(line(ts="2026-07-01 12:00:00"), ts_zone="Europe/Zurich"))
    assert row["ts"] == at("2026-07-01T10:00:00")


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
    assert rejection(decoded)[0] == "bad_time"
