"""Decides which drifts alert, and gathers them into incidents: one for each key at most."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.alert.drift_incident import DriftIncident
from dataflow.alert.order import Due
from dataflow.alert.rows import change
from dataflow.alert.rules import Rules
from dataflow.alert.spending import level
from dataflow.items.drift import Drift
from dataflow.items.judged import Judged

#: A key without tests is forgotten after this time, and begins anew.
_FORGET_US = 28 * 86_400_000_000


class Drifts:
    """The incidents of drift of some key groups.

    ``alpha``: the chance of any false alert in a day; of all keys together, or of each key (``per_key``).
    ``step_us``: the time from one window to the next. ``state`` is what :meth:`snapshot` returned.
    """

    def __init__(
        self,
        alpha: float,
        rules: Rules,
        *,
        step_us: int,
        per_key: bool,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {"last": (), "incidents": ()}
        self._alpha, self._rules, self._step_us, self._per_key = alpha, rules, step_us, per_key
        #: By scope: the end of the last windows that were tested.
        self._last: dict[str, int] = dict(state["last"])
        self._incidents = {each["key"]: DriftIncident(**each) for each in state["incidents"]}
        #: How many windows alarmed.
        self._alarms = 0

    def __len__(self) -> int:
        """How many incidents are open."""
        # Copied first, because the gauges ask in another thread.
        return sum(incident.is_open for incident in list(self._incidents.values()))

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        incidents = [dict(vars(incident)) for incident in self._incidents.values()]
        return {"last": list(self._last.items()), "incidents": incidents}

    def decide(self, at: int, dues: Sequence[Due]) -> Iterator[dict[str, Any]]:
        """Take windows that end at ``at``, none of them late. Gives rows of ``ALERT``."""
        found = [
            (due.judged.keys[drift.window], due.judged, drift)
            for due in dues
            for drift in due.judged.drifts
            if drift.window in due.which
        ]
        tests: dict[str, int] = {}
        for key, _, drift in found:
            scope = key if self._per_key else ""
            tests[scope] = tests.get(scope, 0) + drift.tests
        levels = {scope: self._spend(scope, at, count) for scope, count in tests.items()}
        for key, judged, drift in sorted(found, key=lambda each: each[0]):
            least = levels[key if self._per_key else ""]
            if drift.p_value <= least:
                self._alarms += 1
                incident = self._note(key, at, judged, drift, least)
                if incident.is_told or incident.state == "reopened":
                    yield change(incident, at, incident.threshold)

    def take_alarms(self) -> int:
        """How many windows alarmed since the last call."""
        found, self._alarms = self._alarms, 0
        return found

    def pass_time(self, at: int, keys: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        """Close incidents of ``keys`` without drift, and forget those that are over. ``None``: of all."""
        for key in list(self._incidents) if keys is None else keys:
            incident = self._incidents.get(key)
            if incident is None:
                continue
            over = at - incident.last - self._rules.close_after
            if incident.is_open and over > 0:
                incident.state = "closed"
                yield change(incident, at, incident.threshold)
            if over > self._rules.cool_down:
                del self._incidents[key]

    def _spend(self, scope: str, at: int, tests: int) -> float:
        """The level of each of ``tests`` tests."""
        for old in [old for old, last in self._last.items() if at - last > _FORGET_US]:
            del self._last[old]
        last = self._last.get(scope, at - self._step_us)
        self._last[scope] = max(at, last)
        return level(self._alpha, last, at, tests)

    def _note(self, key: str, at: int, judged: Judged, drift: Drift, least: float) -> DriftIncident:
        start, end = int(judged.starts[drift.window]), int(judged.ends[drift.window])
        incident = self._incidents.get(key)
        if incident is None:
            incident = self._incidents[key] = DriftIncident(
                id=_id(key, end),
                key=key,
                last=at,
                window_start=start,
                window_end=end,
                first_ts=start,
                last_ts=end,
                message="",
                examples=(),
            )
        elif not incident.is_open:
            incident.state = "reopened"
        incident.last, incident.last_ts = at, max(end, incident.last_ts)
        incident.window_start, incident.window_end = start, end
        incident.count += 1
        incident.threshold = _peak(least, drift)
        peak = _peak(drift.p_value, drift)
        if peak > incident.peak:
            incident.peak, incident.message = peak, drift.message
            incident.examples = tuple(drift.examples)
        return incident


def _peak(p_value: float, drift: Drift) -> float:
    """``-log10`` of a p-value, corrected for the tests of a window; 0 or more."""
    return max(0.0, -math.log10(p_value * drift.tests))


def _id(key: str, end: int) -> str:
    return hashlib.sha256(f"{key}\0drift\0{end}".encode()).hexdigest()[:16]
