"""The highest p-value that may alarm.

A flow computes higher p-values for its rows of drift. A backtest writes no such rows, so it saves most draws:
a level of 0.0002 is out of reach as soon as one draw of 99 is as large as what was observed.
"""

from collections.abc import Sequence

from dataflow.alert.spending import level
from dataflow.clock import micros
from dataflow.items.judged import Judged
from dataflow.settings import Settings, has_budget


class Alarming:
    """The levels of windows, as :class:`~dataflow.alert.drifts.Drifts` will set them, or higher."""

    def __init__(self, settings: Settings) -> None:
        self._alpha, self._step_us = settings.drift.alpha, micros(settings.window.step)
        self._per_key = has_budget(settings.alert, settings.window) == "key"
        #: By scope: the ends of the last two emissions that have tests. Key groups come one after another, so
        #: the last one may end together with the windows that come next.
        self._ends: dict[str, tuple[int, int]] = {}

    def highest(self, judged: Judged, windows: Sequence[int]) -> float:
        """The highest level of ``windows``, which are numbers in ``judged.keys``."""
        return max((self._level(judged.keys[at], int(judged.ends[at])) for at in windows), default=0.0)

    def note(self, judged: Judged) -> None:
        """Take the windows of ``judged`` that have tests."""
        for drift in judged.drifts:
            scope, end = self._scope(judged.keys[drift.window]), int(judged.ends[drift.window])
            _, last = self._ends.get(scope, (end - self._step_us, end - self._step_us))
            if end > last:
                self._ends[scope] = last, end

    def _level(self, key: str, end: int) -> float:
        ends = self._ends.get(self._scope(key), ())
        last = max((each for each in ends if each < end), default=end - self._step_us)
        # The number of tests is not known yet. Fewer tests have a higher level.
        return level(self._alpha, last, end, tests=1)

    def _scope(self, key: str) -> str:
        return key if self._per_key else ""
