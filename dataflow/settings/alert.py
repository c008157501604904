"""The settings of alerts and incidents."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dataflow.settings.group import Group
from dataflow.settings.values import NotNegative, Positive

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(h|d|w)")
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


def per_day(rate: str) -> float:
    """A rate as a number per day.

    >>> per_day("20/d"), per_day("1/h"), per_day("3.5/w")
    (20.0, 24.0, 0.5)
    """
    found = _RATE.fullmatch(rate.strip())
    if not found or not float(found[1]):
        raise ValueError("not a rate above zero; write it as 20/d, 1/h or 5/w")
    return float(found[1]) / _DAYS[found[2]]


def _rate(value: str) -> str:
    per_day(value)
    return value.strip()


class Alert(Group):
    """Which events alert, and how alerts become incidents. Alerts need
    ``score.reference``; ``sink.alerts`` writes them.
    """

    budget: Annotated[str, AfterValidator(_rate)] = "20/d"
    """How many new incidents may come in event time: a number in an hour (``1/h``), a day (``20/d``) or a
    week (``5/w``). Has no effect with ``alpha``.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Highest ``p_value`` of an event that alerts, between 0 and 1. Unset: the threshold follows ``budget``.
    """

    per: Literal["stream", "key"] | None = None
    """What has the budget: the whole ``stream``, so that keys share the budget by their traffic, or each
    ``key``. Unset: the stream; with ``window.watermark = key``, each key. Fixed in the recovery store.
    """

    history: NotNegative | None = None
    """How long, in event time, events are watched before the first one alerts; at least zero. Unset: 12 times
    the time from one window to the next.
    """

    least_anomaly: Annotated[float, Field(ge=0)] = 1.3
    """Lowest ``anomaly``, 0 or more, of an event that alerts, even if the budget has room for more, and of an
    event that joins an incident. 1.3 is a ``p_value`` of 0.05.
    """

    radius: Annotated[float, Field(gt=0, le=2)] = 1.1
    """Largest Euclidean distance of unit embeddings, above 0 and at most 2, at which two events belong to one
    incident.
    """

    close_after: Positive | None = None
    """How long, in event time, an incident stays open without another event; longer than zero. Unset: 6 times
    the time from one window to the next.
    """

    cool_down: NotNegative | None = None
    """How long, in event time, similar events open a closed incident again in place of a new one; at least
    zero. Unset: 24 times the time from one window to the next.
    """

    examples: Annotated[int, Field(ge=1, le=100)] = 3
    """Most events that an alert shows, from 1 to 100: those with the highest ``anomaly``, each with another
    text.
    """

    early: bool = False
    """Whether an alert may come as soon as an event arrives, before its window ends. Such an alert is
    provisional: it is confirmed or withdrawn when the windows of its events end. Needs ``score.reference``;
    not with sessions, and not with ``window.watermark = key``.
    """

    marks: str | None = None
    """What people say about alerts: ``file:PATH.jsonl`` or ``delta:PATH``, to which people and programs
    append marks. The file or the table may come later. Unset: there are no marks.
    """

    @property
    def per_day(self) -> float:
        """The budget as a number of incidents per day."""
        return per_day(self.budget)
