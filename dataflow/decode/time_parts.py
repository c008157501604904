"""Puts the parts of a time together: year, month, day, hour, minute, second, offset and time zone.

The parts are the groups of a match, named by the letters of ``strptime``'s directives (see
:mod:`dataflow.decode.time_patterns`). The text of each ``ValueError`` continues a sentence that starts with
the time.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from dataflow.decode.time_patterns import MONTHS


class LocalTime(NamedTuple):
    """``time``: an aware time. ``leap_seconds``: 1 if the second was written as 60; ``time`` then has 59."""

    time: datetime
    leap_seconds: int


class ZoneTime(NamedTuple):
    """``time``: a time that the clock of a zone showed. ``ambiguous``: the clock showed this time twice."""

    time: datetime
    ambiguous: bool


def local_time(match: "re.Match[str]", zone: tzinfo, year: int | None, latest: datetime) -> LocalTime:
    """The time whose parts ``match`` has found.

    ``zone``: the zone of a time without an offset. ``year``: the year of a time without a year; ``None``:
    the last year in which the time is not later than ``latest``. Raises ``ValueError`` if there is no such
    time.
    """
    part = match.groupdict()
    second = int(part.get("S") or 0)
    leap, second = (1, 59) if second == 60 else (0, second)
    micros = int((part.get("f") or "0")[:6].ljust(6, "0"))
    clock = (_hour(part), int(part.get("M") or 0), second, micros)
    zone = _offset(part["z"]) if part.get("z") else timezone.utc if part.get("Z") else zone
    for candidate in _years(part, year, latest):
        try:
            time = datetime(candidate, *_month_day(part, candidate), *clock, tzinfo=zone)
        except ValueError:
            continue  # a 29 February that this year does not have, or a day that no year has
        if part.get("Y") or part.get("y") or year or time <= latest:
            return LocalTime(time, leap)
    raise ValueError("is not a date of the calendar, or not a time of the day")


def zone_time(time: datetime, ambiguous: str) -> ZoneTime:
    """``time``, which the clock of its zone showed, as ``source.ts_ambiguous`` says.

    Raises ``ValueError`` if the clock never showed the time, or showed it twice and ``ambiguous`` is
    ``reject``.
    """
    later = time.replace(fold=1)
    ahead = (later.utcoffset() or timedelta(0)) - (time.utcoffset() or timedelta(0))
    if not ahead:
        return ZoneTime(time, False)
    if ahead > timedelta(0):
        raise ValueError(f"does not exist in {time.tzinfo}: clocks there were set forward by {ahead}")
    if ambiguous == "reject":
        raise ValueError(
            f"is ambiguous in {time.tzinfo}: clocks there were set back by {-ahead}, "
            "and source.ts_ambiguous=reject refuses both times"
        )
    return ZoneTime(later if ambiguous == "later" else time, True)


def _hour(part: dict[str, str | None]) -> int:
    if twelve := part.get("I"):
        return int(twelve) % 12 + (12 if (part.get("p") or "").upper() == "PM" else 0)
    return int(part.get("H") or 0)


def _month_day(part: dict[str, str | None], year: int) -> tuple[int, int]:
    if day_of_year := part.get("j"):
        day = datetime(year, 1, 1) + timedelta(days=int(day_of_year) - 1)
        if day.year != year:
            raise ValueError("the year does not have this day")
        return day.month, day.day
    name = part.get("b") or part.get("B")
    month = [m[:3] for m in MONTHS].index(name[:3].lower()) + 1 if name else int(part["m"] or 0)
    return month, int(part["d"] or 0)


def _years(part: dict[str, str | None], year: int | None, latest: datetime) -> tuple[int, ...]:
    """The years to try, the latest first."""
    if full := part.get("Y"):
        return (int(full),)
    if short := part.get("y"):
        return (int(short) + (2000 if int(short) < 69 else 1900),)  # as POSIX says
    # Nine years back reach a leap year: the longest time between two leap years is 1896 to 1904.
    return (year,) if year else tuple(range(min(latest.year + 1, 9999), max(latest.year - 9, 0), -1))


def _offset(text: str | None) -> tzinfo:
    digits = (text or "").lstrip("+-Zz").replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError("has an impossible offset from UTC")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if text and text[0] == "-" else delta)
