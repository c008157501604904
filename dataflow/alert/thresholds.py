"""Which anomaly an event needs to alert: one threshold for the stream, or one for each key."""

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dataflow.alert.budget import Budget
from dataflow.clock import micros
from dataflow.items.arrays import Int64s
from dataflow.settings import Alert

#: A key without windows is forgotten after this time, and begins anew.
_FORGET_US = 28 * 86_400_000_000


class Level(Protocol):
    """What decides the threshold of a stream, or of a key. See :class:`Budget`."""

    def advance(self, end: int, rows: int) -> float:
        """Take the windows that end at ``end``. Returns the least anomaly that alerts."""

    def spend(self) -> bool:
        """Whether there may be a new incident, which is counted then."""

    def raise_threshold(self, incidents: int) -> None:
        """Count incidents that nobody is told of."""

    @property
    def room(self) -> float:
        """How many new incidents there may be now; any number of them: infinity."""

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""


class FixedLevel:
    """A threshold that stays the same: the anomaly of the p-value ``alpha``.

    >>> FixedLevel(0.01, step_us=60, history_us=0).advance(60, rows=5)
    2.0
    """

    def __init__(
        self, alpha: float, *, step_us: int, history_us: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._anomaly, self._step_us, self._history_us = -math.log10(alpha), step_us, history_us
        self._began: int | None = state["began"] if state else None

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"began": self._began}

    def advance(self, end: int, rows: int) -> float:
        """The least anomaly that alerts in windows that end at ``end``; infinity: none does."""
        if self._began is None:
            self._began = end - self._step_us
        return math.inf if end - self._began < self._history_us else self._anomaly

    def spend(self) -> bool:
        """There is always room for a new incident."""
        return True

    def raise_threshold(self, incidents: int) -> None:
        """The threshold stays the same."""

    @property
    def room(self) -> float:
        """There may be any number of new incidents."""
        return math.inf


class Thresholds:
    """The thresholds of all keys.

    ``per_key``: whether each key has a budget of its own. ``step_us``: the time from one window to the next.
    ``remember_us``: how long after its end a window may be emitted again. ``state`` is what :meth:`snapshot`
    returned.
    """

    def __init__(
        self,
        options: Alert,
        *,
        per_key: bool,
        step_us: int,
        remember_us: int,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._options, self._step_us, self._remember_us = options, step_us, remember_us
        self._history_us = 12 * step_us if options.history is None else micros(options.history)
        self._per_key = per_key
        levels = state["levels"] if state else ()
        self._levels: dict[str, Level] = {scope: self._new(each) for scope, each in levels}
        #: By scope: the ends of the last windows, ascending, with the threshold of each.
        self._known: dict[str, list[tuple[int, float]]] = {
            scope: [tuple(each) for each in known] for scope, known in (state["known"] if state else ())
        }

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "levels": [(scope, level.snapshot()) for scope, level in self._levels.items()],
            "known": list(self._known.items()),
        }

    def advance(self, end: int, keys: Sequence[str], rows: Int64s) -> None:
        """Take windows of ``keys`` that end at ``end``. ``rows``: ``(k,)``, how many events each has."""
        if self._per_key:
            for key, n in zip(keys, rows.tolist(), strict=True):
                self._advance(key, end, n)
            for key in [key for key, known in self._known.items() if end - known[-1][0] > _FORGET_US]:
                del self._levels[key], self._known[key]
        else:
            self._advance("", end, int(rows.sum()))

    def at(self, end: int, keys: Sequence[str]) -> npt.NDArray[np.float64]:
        """``(k,)``: the least anomaly that alerts in windows of ``keys`` that end at ``end``."""
        if not self._per_key:
            return np.full(len(keys), self._at("", end))
        return np.array([self._at(key, end) for key in keys])

    def may_open(self, key: str) -> Callable[[], bool]:
        """Asks whether ``key`` may have a new incident, which is counted then."""
        return self._levels[key if self._per_key else ""].spend

    def room(self, key: str) -> float:
        """How many new incidents ``key`` may have now."""
        level = self._levels.get(key if self._per_key else "")
        return level.room if level else 0.0

    def raise_threshold(self, key: str, incidents: int) -> None:
        """Count incidents of ``key`` that nobody is told of."""
        self._levels[key if self._per_key else ""].raise_threshold(incidents)

    def _advance(self, scope: str, end: int, rows: int) -> None:
        if scope not in self._levels:
            self._levels[scope] = self._new(None)
        least = max(self._levels[scope].advance(end, rows), self._options.least_anomaly)
        known = [each for each in self._known.get(scope, ()) if end - each[0] <= self._remember_us]
        self._known[scope] = [*known, (end, least)]

    def _at(self, scope: str, end: int) -> float:
        known = self._known.get(scope, [])
        place = bisect.bisect_right(known, (end, math.inf))
        return known[max(place - 1, 0)][1] if known else math.inf

    def _new(self, state: Mapping[str, Any] | None) -> Level:
        more: Any = {"step_us": self._step_us, "history_us": self._history_us, "state": state}
        if self._options.alpha is not None:
            return FixedLevel(self._options.alpha, **more)
        return Budget(self._options.per_day, **more)
