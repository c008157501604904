"""The types of the values of settings: durations, times, time zones, lists of URIs and of patterns."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHORT = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_ISO = TypeAdapter(timedelta)
_LONGEST = timedelta(days=36_525)


def duration(value: object) -> timedelta:
    """Read a duration: ``10m``, ``90s``, ``1h30m``, ``250ms``, ``2d``, ISO 8601 (``PT10M``), or a
    ``timedelta``.

    Raises ``ValueError`` for anything else. A bare number is refused too, because its unit would be a guess.

    >>> duration("1h30m")
    datetime.timedelta(seconds=5400)
    >>> duration("PT10M") == duration("600s")
    True
    >>> duration("10")
    Traceback (most recent call last):
    ValueError: not a duration; write it as 10m, 90s, 1h30m or PT10M
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        text = value.strip()
        if _SHORT.fullmatch(text):
            seconds = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
            if seconds > _LONGEST.total_seconds():
                raise ValueError(f"too long, the longest is {_LONGEST.days}d")
            return timedelta(seconds=seconds)
        if text.startswith(("P", "-P")):
            try:
                return _ISO.validate_python(text)
            except ValidationError:
                pass
    raise ValueError("not a duration; write it as 10m, 90s, 1h30m or PT10M")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime):
        raise ValueError("not a time; write it as 2026-01-01T00:00:00Z")
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone; write it as UTC or Europe/Zurich") from None
    return value


#: A duration longer than zero.
Positive = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
#: A duration of zero or more.
NotNegative = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_not_negative)]
#: A time, aware; UTC if the text has no offset.
Instant = Annotated[datetime, BeforeValidator(_instant)]
#: The name of a time zone in the IANA database.
Zone = Annotated[str, AfterValidator(_zone)]


def table(value: object) -> dict[str, object] | None:
    """A table of TOML, or the text of a JSON object, as a dict; ``None``: ``value`` is neither.

    >>> table('{"a": 1}')
    {'a': 1}
    >>> table("a=1")
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return None
    return {str(name): each for name, each in value.items()} if isinstance(value, Mapping) else None


def _list_of(items: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError(f"not a text; write one {items[:-1]}, or several {items} separated by blanks")


def _uris(value: object) -> tuple[str, ...]:
    return _list_of("URIs", value)


def _patterns(value: object) -> tuple[str, ...]:
    return _list_of("patterns", value)


def _names(value: object) -> tuple[str, ...]:
    return _list_of("names", value)


def _columns(value: object) -> tuple[str, ...]:
    return _list_of("columns", value)


#: No, one or several URIs; in a text they are separated by blanks.
Uris = Annotated[tuple[str, ...], BeforeValidator(_uris)]
#: No, one or several patterns of texts; in a text they are separated by blanks.
Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]
#: No, one or several names; in a text they are separated by blanks.
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
#: No, one or several columns of what an event is beside a reference; in a text they are separated by blanks.
Columns = Annotated[tuple[Literal["novelty", "surge", "rarity"], ...], BeforeValidator(_columns)]
