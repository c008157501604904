"""Read event times: ``rfc3339``, ``epoch_s``, ``epoch_ms`` or a ``strptime`` pattern, to microseconds.

``strptime`` itself reads neither the start of a line nor nanoseconds, takes its names of months from
the locale, and thinks a pattern without a year means 1900; so a pattern becomes a regular expression here.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import SettingsError
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_US = timedelta(microseconds=1)
_MIN = (datetime.min.replace(tzinfo=timezone.utc) - _EPOCH) // _US
_MAX = (datetime.max.replace(tzinfo=timezone.utc) - _EPOCH) // _US


class Moment(NamedTuple):
    """A time in microseconds since 1970. ``ambiguous``: the clock of its zone showed this time twice."""

    micros: int
    ambiguous: bool = False


#: Takes a time and the latest one that is not in the future.
_Convert: TypeAlias = Callable[[str, datetime], Moment]
_CACHED = 4096  # many events share a second
#: Characters that a time may have, beside those of its pattern.
_LONGEST = 64

_OFFSET = r"Z|[+-][0-9]{2}(?::?[0-9]{2})?"
_RFC3339 = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
    rf"(?:[.,](?P<f>[0-9]+))? ?(?P<z>{_OFFSET})?"
)
# What Arrow's own parser takes, and reads as we do.
_ARROW = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})$"
_BEYOND_MICROSECONDS = r"(:[0-9]{2}\.[0-9]{6})[0-9]+"
_EPOCH_NUMBER = r"(?P<n>[+-]?[0-9]+(?:\.[0-9]*)?(?:[Ee][+-]?[0-9]+)?)(?![0-9A-Za-z_.:-])"

_MONTHS = ["january", "february", "march", "april", "may", "june"]
_MONTHS += ["july", "august", "september", "october", "november", "december"]
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "1[0-2]|0?[1-9]",
    "B": "|".join(_MONTHS),
    "b": "|".join(name[:3] for name in _MONTHS),
    "d": "3[01]|[12][0-9]|0?[1-9]| [1-9]",
    "j": "36[0-6]|3[0-5][0-9]|[12][0-9]{2}|0?[1-9][0-9]|0{0,2}[1-9]",
    "H": "2[0-3]|[01]?[0-9]",
    "I": "1[0-2]|0?[1-9]",
    "p": "AM|PM",
    "M": "[0-5]?[0-9]",
    "S": "60|[0-5]?[0-9]",
    "f": "[0-9]+",
    "A": "|".join(_DAYS),
    "a": "|".join(name[:3] for name in _DAYS),
    "z": _OFFSET,
    "Z": "UTC|GMT",
}
_SYNONYMS = {"%e": "%d", "%h": "%b", "%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}


@dataclass(frozen=True)
class TimeFormat:
    """One way to write a time. ``factor``: microseconds in the unit of a number, 0 if none is one."""

    name: str
    regex: "re.Pattern[str]"
    convert: _Convert
    factor: int = 0

    def value(self, value: object, limit: datetime) -> Moment:
        """The time that ``value`` is; ``ValueError`` (its text ends a sentence) if it is no such time."""
        if self.factor and isinstance(value, int | float) and not isinstance(value, bool):
            return Moment(_in_range(_scaled(value, self.factor)))
        if not isinstance(value, str):
            raise ValueError(f"is not {self.name}")
        text = value.strip()
        self._bound(len(text))
        return self.convert(text, limit)

    def prefix(self, text: str, limit: datetime) -> tuple[Moment, int] | None:
        """The time that ``text`` starts with and where it ends, or None; ``ValueError`` as above."""
        # A time that is cut here is longer than the bound, even where its start is a time by itself.
        match = self.regex.match(text[: 2 * self._longest])
        if match is None:
            return None
        self._bound(match.end())
        return self.convert(match[0], limit), match.end()

    @property
    def _longest(self) -> int:
        return _LONGEST + len(self.name)

    def _bound(self, length: int) -> None:
        if length > self._longest:
            raise ValueError(f"is longer than the {self._longest} characters that a time may have")

    def column(self, values: list[object]) -> npt.NDArray[np.int64] | None:
        """All ``values`` at once, where they have the common form; else None: go one by one."""
        kinds = set(map(type, values))
        if self.factor and kinds == {int}:
            if all(abs(v) <= _MAX // self.factor for v in values):  # type: ignore[arg-type]
                micros = np.array(values, np.int64) * self.factor
                return micros if micros.min() >= _MIN else None
        elif self.name == "rfc3339" and kinds == {str}:
            return _by_arrow(pa.array(values, pa.string()))
        return None


def _by_arrow(strings: pa.Array) -> npt.NDArray[np.int64] | None:
    if pc.max(pc.binary_length(strings)).as_py() > _LONGEST:
        return None
    if not pc.all(pc.match_substring_regex(strings, _ARROW)).as_py():
        strings = pc.replace_substring_regex(strings, _BEYOND_MICROSECONDS, r"\1")
        if not pc.all(pc.match_substring_regex(strings, _ARROW)).as_py():
            return None
    try:
        micros: npt.NDArray[np.int64] = strings.cast(TIMESTAMP).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return micros if micros.min() >= _MIN and micros.max() <= _MAX else None


def time_format(source: Source) -> TimeFormat:
    """The format ``source.ts_format``. Raises ``SettingsError`` if it cannot give a time.

    ``ts_zone`` and ``ts_year`` (None: the latest year that is not in the future) fill in what it leaves out.
    """
    return _format(source.ts_format, source.ts_zone, source.ts_year, source.ts_ambiguous)


@lru_cache
def _format(name: str, zone: str, year: int | None, ambiguous: str) -> TimeFormat:
    factor = {"epoch_s": 1_000_000, "epoch_ms": 1_000}.get(name, 0)
    expression = _EPOCH_NUMBER if factor else _RFC3339 if name == "rfc3339" else _expression(name)
    regex = re.compile(expression, re.IGNORECASE | re.ASCII)
    shown = f"of the form {name!r}" if "%" in name else name
    home = ZoneInfo(zone)

    @lru_cache(_CACHED)
    def convert(text: str, limit: datetime) -> Moment:
        match = regex.fullmatch(text)
        if match is None:
            raise ValueError(f"is not {shown}")
        if factor:
            return Moment(_in_range(_number(match["n"], factor)))
        time, leap = _local(match, home, year, limit)
        time, twice = _placed(time, ambiguous) if time.tzinfo is home else (time, False)
        return Moment(_in_range((time - _EPOCH) // _US + leap * 1_000_000), twice)

    return TimeFormat(shown, regex, convert, factor)


def _expression(pattern: str) -> str:
    for short, long in _SYNONYMS.items():
        pattern = pattern.replace(short, long)
    wrong = f"source.ts_format={pattern!r}: "
    found = re.findall("%(.?)", pattern.replace("%%", ""), re.DOTALL)
    for letter in found:
        if letter not in _DIRECTIVES:
            raise SettingsError(f"{wrong}no such directive %{letter}; there are {' '.join(_DIRECTIVES)}")
        if found.count(letter) > 1:
            raise SettingsError(f"{wrong}%{letter} stands there twice")
    if not ("j" in found or ("d" in found and {"m", "b", "B"} & set(found))):
        raise SettingsError(
            f"{wrong}not rfc3339, epoch_s or epoch_ms, and as a strptime pattern it has no day and month"
        )
    expression = ""
    for part in re.findall(r"%.|\s+|[^%\s]+", pattern):
        if part.isspace():
            expression += r"\s+"
        elif part[0] == "%" and part != "%%":
            expression += f"(?P<{part[1]}>{_DIRECTIVES[part[1]]})"
        else:
            expression += re.escape("%" if part == "%%" else part)
    return expression


def _placed(time: datetime, ambiguous: str) -> tuple[datetime, bool]:
    """``time`` of a zone's clock as ``source.ts_ambiguous`` says, and whether the clock showed it twice."""
    later = time.replace(fold=1)
    ahead = (later.utcoffset() or timedelta(0)) - (time.utcoffset() or timedelta(0))
    if not ahead:
        return time, False
    if ahead > timedelta(0):
        raise ValueError(f"does not exist in {time.tzinfo}: clocks there were set forward by {ahead}")
    if ambiguous == "reject":
        raise ValueError(
            f"is ambiguous in {time.tzinfo}: clocks there were set back by {-ahead}, "
            "and source.ts_ambiguous=reject refuses both times"
        )
    return (later if ambiguous == "later" else time), True


def _local(match: "re.Match[str]", home: tzinfo, year: int | None, limit: datetime) -> tuple[datetime, int]:
    """The time, and its leap seconds, from groups that are named by the letters of strptime's directives."""
    part = match.groupdict()
    second = int(part.get("S") or 0)
    leap, second = (1, 59) if second == 60 else (0, second)
    micros = int((part.get("f") or "0")[:6].ljust(6, "0"))
    clock = (_hour(part), int(part.get("M") or 0), second, micros)
    zone = _zone(part["z"]) if part.get("z") else timezone.utc if part.get("Z") else home
    for candidate in _years(part, year, limit):
        try:
            moment = datetime(candidate, *_month_day(part, candidate), *clock, tzinfo=zone)
        except ValueError:
            continue  # a 29 February that this year does not have, or a day that no year has
        if part.get("Y") or part.get("y") or year or moment <= limit:
            return moment, leap
    raise ValueError("is no date of the calendar or no time of the day")


def _hour(part: dict[str, str | None]) -> int:
    if twelve := part.get("I"):
        return int(twelve) % 12 + (12 if (part.get("p") or "").upper() == "PM" else 0)
    return int(part.get("H") or 0)


def _month_day(part: dict[str, str | None], year: int) -> tuple[int, int]:
    if day_of_year := part.get("j"):
        day = datetime(year, 1, 1) + timedelta(days=int(day_of_year) - 1)
        if day.year != year:
            raise ValueError("no such day in this year")
        return day.month, day.day
    name = part.get("b") or part.get("B")
    month = [m[:3] for m in _MONTHS].index(name[:3].lower()) + 1 if name else int(part["m"] or 0)
    return month, int(part["d"] or 0)


def _years(part: dict[str, str | None], year: int | None, limit: datetime) -> tuple[int, ...]:
    if full := part.get("Y"):
        return (int(full),)
    if short := part.get("y"):
        return (int(short) + (2000 if int(short) < 69 else 1900),)  # as POSIX has it
    # Back to the last leap year; 1896 to 1904 is the longest way between two.
    return (year,) if year else tuple(range(min(limit.year + 1, 9999), max(limit.year - 9, 0), -1))


def _zone(offset: str | None) -> tzinfo:
    digits = (offset or "").lstrip("+-Zz").replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError("has an impossible offset from UTC")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if offset and offset[0] == "-" else delta)


def _number(text: str, factor: int) -> int:
    return _scaled(int(text) if text.lstrip("+-").isdigit() else float(text), factor)


def _scaled(number: float, factor: int) -> int:
    if not math.isfinite(number) or abs(number) > _MAX:
        raise ValueError("is not a time between the years 1 and 9999")
    return number * factor if isinstance(number, int) else round(number * factor)


def _in_range(micros: int) -> int:
    if not _MIN <= micros <= _MAX:
        raise ValueError("is not a time between the years 1 and 9999")
    return micros
