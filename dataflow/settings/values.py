"""The types of settings' values."""

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHORT = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_ISO = TypeAdapter(timedelta)
_LONGEST = timedelta(days=36_525)


def duration(value: object) -> timedelta:
    """``10m``, ``90s``, ``1h30m``, ``250ms``, ``2d``, ISO 8601 (``PT10M``), or a ``timedelta``.

    Raises ``ValueError`` for anything else, a bare number too: its unit would be a guess.
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


Positive = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
NotNegative = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_not_negative)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Zone = Annotated[str, AfterValidator(_zone)]


def _uris(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError("not a URI, or several separated by blanks")


Uris = Annotated[tuple[str, ...], BeforeValidator(_uris)]
