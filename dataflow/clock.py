"""The wall clock, and event times as integers: microseconds since the Unix epoch, UTC."""

from datetime import datetime, timedelta, timezone
from typing import Protocol

import numpy as np


class Clock(Protocol):
    """The wall clock: returns the time now, aware, in UTC."""

    # A class, because Bytewax on CPython 3.10 refuses a Callable[...] in the signature of an operator.
    def __call__(self) -> datetime: ...


#: The Unix epoch.
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

#: Before any event. Far from the ends of int64, so that sums with durations cannot overflow.
NEVER = -(1 << 62)
#: Later than any event.
FOREVER = -NEVER


def utc_now() -> datetime:
    """The time of the system's clock."""
    return datetime.now(timezone.utc)


def micros(value: datetime | timedelta) -> int:
    """A time as microseconds since the Unix epoch, or a duration as microseconds."""
    delta = value - EPOCH if isinstance(value, datetime) else value
    return delta // timedelta(microseconds=1)


def rfc3339(us: int) -> str:
    """A time in microseconds since the Unix epoch, as RFC 3339 in UTC with microseconds.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    # Python's datetime ends at the year 1, and a window may start before that.
    return f"{np.datetime64(us, 'us')}Z"
