"""Reads event times: ``rfc3339``, ``epoch_s``, ``epoch_ms`` or a ``strptime`` pattern, to microseconds."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import micros
from dataflow.decode.time_parts import ZoneTime, local_time, zone_time
from dataflow.decode.time_patterns import EPOCH_NUMBER, RFC3339, pattern_expression
from dataflow.items.arrays import Int64s
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Source

_MIN_US = micros(datetime.min.replace(tzinfo=timezone.utc))
_MAX_US = micros(datetime.max.replace(tzinfo=timezone.utc))
_OUT_OF_RANGE = "is not a time between the years 1 and 9999"
#: A format keeps the last times that it read, because many events share a second.
_CACHED = 4096
#: How many characters a time may have, in addition to those of its pattern.
_LONGEST = 64
# The times that Arrow's own parser reads, with the same result.
_ARROW = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})$"
_BEYOND_MICROSECONDS = r"(:[0-9]{2}\.[0-9]{6})[0-9]+"


class EventTime(NamedTuple):
    """``micros``: microseconds since the Unix epoch.

    ``ambiguous``: the time had no offset, and the clock of its zone showed it twice.
    """

    micros: int
    ambiguous: bool = False


class PrefixTime(NamedTuple):
    """A time at the start of a text. ``end``: the position in the text after the time."""

    time: EventTime
    end: int


#: Takes a time as text, and the latest time that is not in the future.
_Convert: TypeAlias = Callable[[str, datetime], EventTime]


@dataclass(frozen=True)
class TimeFormat:
    """One way to write a time. ``factor``: microseconds in the unit of a number; 0: a number is not a time.

    The methods raise ``ValueError`` for a value that is not a time. The text of the error continues a
    sentence that starts with the value.
    """

    name: str
    regex: "re.Pattern[str]"
    convert: _Convert
    factor: int = 0

    def value(self, value: object, latest: datetime) -> EventTime:
        """Read ``value``, a field of a record. ``latest``: a later time is in the future."""
        if self.factor and isinstance(value, int | float) and not isinstance(value, bool):
            return EventTime(_in_range(_scaled(value, self.factor)))
        if not isinstance(value, str):
            raise ValueError(f"is not {self.name}")
        text = value.strip()
        self._check_length(len(text))
        return self.convert(text, latest)

    def prefix(self, text: str, latest: datetime) -> PrefixTime | None:
        """Read the time at the start of ``text``; ``None`` if ``text`` does not start with a time."""
        # If this slice cuts a time, the time is too long, even if the part before the cut is a time itself.
        match = self.regex.match(text[: 2 * self._longest])
        if match is None:
            return None
        self._check_length(match.end())
        return PrefixTime(self.convert(match[0], latest), match.end())

    def column(self, values: list[object]) -> Int64s | None:
        """Read all ``values`` at once, in microseconds; ``None`` if they must be read one by one."""
        kinds = set(map(type, values))
        if self.factor and kinds == {int}:
            if all(abs(v) <= _MAX_US // self.factor for v in values):  # type: ignore[arg-type]
                times = np.array(values, np.int64) * self.factor
                return times if times.min() >= _MIN_US else None
        elif self.name == "rfc3339" and kinds == {str}:
            return _by_arrow(pa.array(values, pa.string()))
        return None

    @property
    def _longest(self) -> int:
        return _LONGEST + len(self.name)

    def _check_length(self, length: int) -> None:
        if length > self._longest:
            raise ValueError(f"is longer than the {self._longest} characters that a time may have")


def time_format(options: Source) -> TimeFormat:
    """The format ``options.ts_format``. Raises ``SettingsError`` if the format cannot give a time.

    ``ts_zone`` and ``ts_year`` complete a time that has no zone or no year; without ``ts_year``, it is the
    latest year in which the time is not in the future.
    """
    return _format(options.ts_format, options.ts_zone, options.ts_year, options.ts_ambiguous)


@lru_cache
def _format(name: str, zone_name: str, year: int | None, ambiguous: str) -> TimeFormat:
    factor = {"epoch_s": 1_000_000, "epoch_ms": 1_000}.get(name, 0)
    expression = EPOCH_NUMBER if factor else RFC3339 if name == "rfc3339" else pattern_expression(name)
    regex = re.compile(expression, re.IGNORECASE | re.ASCII)
    shown = f"of the form {name!r}" if "%" in name else name
    zone = ZoneInfo(zone_name)

    @lru_cache(_CACHED)
    def convert(text: str, latest: datetime) -> EventTime:
        match = regex.fullmatch(text)
        if match is None:
            raise ValueError(f"is not {shown}")
        if factor:
            return EventTime(_in_range(_number(match["n"], factor)))
        local = local_time(match, zone, year, latest)
        found = zone_time(local.time, ambiguous) if local.time.tzinfo is zone else ZoneTime(local.time, False)
        return EventTime(_in_range(micros(found.time) + local.leap_seconds * 1_000_000), found.ambiguous)

    return TimeFormat(shown, regex, convert, factor)


def _by_arrow(strings: pa.Array) -> Int64s | None:
    if pc.max(pc.binary_length(strings)).as_py() > _LONGEST:
        return None
    if not pc.all(pc.match_substring_regex(strings, _ARROW)).as_py():
        strings = pc.replace_substring_regex(strings, _BEYOND_MICROSECONDS, r"\1")
        if not pc.all(pc.match_substring_regex(strings, _ARROW)).as_py():
            return None
    try:
        times: Int64s = strings.cast(TIMESTAMP).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return times if times.min() >= _MIN_US and times.max() <= _MAX_US else None


def _number(text: str, factor: int) -> int:
    return _scaled(int(text) if text.lstrip("+-").isdigit() else float(text), factor)


def _scaled(number: float, factor: int) -> int:
    if not math.isfinite(number) or abs(number) > _MAX_US:
        raise ValueError(_OUT_OF_RANGE)
    return number * factor if isinstance(number, int) else round(number * factor)


def _in_range(time_us: int) -> int:
    if not _MIN_US <= time_us <= _MAX_US:
        raise ValueError(_OUT_OF_RANGE)
    return time_us
