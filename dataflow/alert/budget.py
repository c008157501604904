"""Which anomaly an event needs to alert, so that a stated number of incidents comes in a day.

With ``traffic`` rows a day, an anomaly of ``log10(traffic / budget)`` is exceeded ``budget`` times a day if
p-values hold and events do not depend on each other. Both are wrong in part: p-values are off by some tens of
percent, and events that are alike join one incident. So a correction is added, which follows the incidents:
each new incident raises the threshold by ``STEP``, and time lowers it by ``STEP`` for each incident of the
budget. This is quantile tracking on the scale of ``log10 p`` (Angelopoulos, Candes and Tibshirani, 2023,
"Conformal PID control for time series prediction", https://arxiv.org/abs/2307.16895): whatever the stream
does, incidents differ from the budget by at most the change of the correction divided by ``STEP``.

The correction is slow. When a stream changes, the allowance bounds the incidents: it grows with the budget,
each new incident takes 1, and without a whole one there is no new incident. It holds the budget of a day at
most. While incidents are refused, time does not lower the threshold. Otherwise the allowance alone would keep
the budget, and the first events that come would alert, not the most unusual ones.

All times are microseconds of event time since the Unix epoch, UTC.
"""

import math
from collections.abc import Mapping
from typing import Any

#: How much an incident moves the threshold, in units of ``anomaly``.
STEP = 0.1
#: The correction stays within these bounds. Without them, a stream without anomalies lowers the threshold
#: forever, and then alerts too often for as long.
LEAST, MOST = -1.0, 2.0
#: Traffic is the mean of about so many steps from one window to the next, and of an hour at least.
_STEPS = 12
_HOUR_US = 3_600_000_000
_DAY_US = 86_400_000_000
#: The allowance at the start, as a part of the budget of a day; one incident at least.
_FIRST = 0.25
_NOTHING: dict[str, Any] = {
    "began": None,
    "last": 0,
    "rows": 0.0,
    "time": 0.0,
    "correction": 0.0,
    "refused": False,
}


class Budget:
    """The threshold of a stream, or of a key. ``per_day``: the budget. ``step_us``: the time from one window
    to the next. ``history_us``: how long nothing alerts. ``state`` is what :meth:`snapshot` returned.

    >>> budget = Budget(24.0, step_us=_HOUR_US, history_us=0)
    >>> budget.advance(_HOUR_US, rows=1000)
    2.9
    >>> [budget.spend() for _ in range(8)]
    [True, True, True, True, True, True, True, False]
    """

    def __init__(
        self, per_day: float, *, step_us: int, history_us: int, state: Mapping[str, Any] | None = None
    ) -> None:
        # The state may be that of a fixed threshold, which knows less.
        state = {**_NOTHING, "left": max(per_day * _FIRST, 1.0), **(state or {})}
        self._most_left, self._per_us = max(per_day, 1.0), per_day / _DAY_US
        self._step_us, self._history_us = step_us, history_us
        self._memory_us = max(_STEPS * step_us, _HOUR_US)
        #: The time before the first window, and the end of the last one.
        self._began: int | None = state["began"]
        self._last: int = state["last"]
        #: Rows and microseconds, older ones with less weight.
        self._rows: float = state["rows"]
        self._time: float = state["time"]
        self.correction: float = state["correction"]
        self._left: float = state["left"]
        #: Whether an incident found no allowance since the last windows.
        self._refused: bool = state["refused"]

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "began": self._began,
            "last": self._last,
            "rows": self._rows,
            "time": self._time,
            "correction": self.correction,
            "left": self._left,
            "refused": self._refused,
        }

    def advance(self, end: int, rows: int) -> float:
        """Take the windows that end at ``end``, with ``rows`` rows. Returns the least anomaly that alerts;
        infinity: none does.
        """
        if self._began is None:
            self._began, self._last = end - self._step_us, end - self._step_us
        # A time without windows is not counted: there was nothing to alert about.
        passed = min(max(end - self._last, 0), self._memory_us)
        self._last = max(self._last, end)
        kept = math.exp(-passed / self._memory_us)
        self._rows, self._time = self._rows * kept + rows, self._time * kept + passed
        if end - self._began < self._history_us:
            return math.inf
        earned = self._per_us * passed
        self._left = min(self._left + earned, self._most_left)
        if not self._refused:
            self.correction = max(self.correction - STEP * earned, LEAST)
        self._refused = False
        expected = self._rows / (self._time * self._per_us) if self._time else 1.0
        return math.log10(max(expected, 1.0)) + self.correction

    def raise_threshold(self, incidents: int) -> None:
        """Count incidents that nobody is told of: they move the threshold, and take no allowance."""
        self.correction = min(self.correction + STEP * incidents, MOST)

    @property
    def room(self) -> float:
        """How many new incidents there may be now."""
        return self._left

    def spend(self) -> bool:
        """Whether there may be a new incident, which is counted then."""
        if self._left < 1:
            self._refused = True
            return False
        self._left -= 1
        self.correction = min(self.correction + STEP, MOST)
        return True
