"""Decides which events alert, and gathers them into incidents."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.alert.drifts import Drifts
from dataflow.alert.expected import Expected
from dataflow.alert.incident import Incident
from dataflow.alert.incidents import Incidents
from dataflow.alert.openings import Openings
from dataflow.alert.order import DecisionOrder, Due, DueEarly
from dataflow.alert.provisional import ProvisionalIncidents
from dataflow.alert.rows import change
from dataflow.alert.rules import rules_of
from dataflow.alert.thresholds import Thresholds
from dataflow.alert.window_events import WindowEvents
from dataflow.clock import micros
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.settings import Alert

_NOTHING: dict[str, Any] = {
    "order": None,
    "thresholds": None,
    "openings": None,
    "keys": (),
    "drifts": None,
    "expected": (),
    "provisional": (),
}


class Alerts:
    """The incidents of some key groups that share a budget, or whose keys have a budget each.

    ``groups``: how many key groups they are; ``None``: each key has a watermark of its own. ``likeness``:
    what people marked. ``drift_alpha``: see :class:`Drifts`. ``state`` is what :meth:`snapshot` returned.
    """

    def __init__(
        self,
        options: Alert,
        window: settings.Window,
        groups: int | None,
        state: Mapping[str, Any] | None = None,
        *,
        likeness: Likeness = UNMARKED,
        drift_alpha: float = 0.05,
    ) -> None:
        state = state or _NOTHING
        self._rules = rules = rules_of(options, window)
        self._own_time = groups is None
        self._order = DecisionOrder(groups, state["order"])
        per_key, step = settings.has_budget(options, window) == "key", micros(window.step)
        self._drifts = Drifts(drift_alpha, rules, step_us=step, per_key=per_key, state=state["drifts"])
        self._thresholds = Thresholds(
            options,
            per_key=per_key,
            step_us=step,
            remember_us=rules.remember,
            state=state["thresholds"],
        )
        self._openings = Openings(per_key=per_key, state=state["openings"])
        self._budget: dict[str, Any] = {
            "budget_per_day": None if options.alpha is not None else options.per_day,
            "budget_of": "key" if per_key else "stream",
        }
        self._keys = {key: Incidents(key, rules, each) for key, each in state["keys"]}
        self._provisional = ProvisionalIncidents(
            rules,
            likeness,
            length_us=micros(window.length),
            step_us=step,
            state=state["provisional"],
        )
        self._expected = Expected(likeness, rules.close_after + rules.cool_down, state["expected"])
        #: How many events did not alert because there was no room for a new incident, and because they are
        #: expected.
        self._suppressed, self._quiet = 0, 0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "order": self._order.snapshot(),
            "thresholds": self._thresholds.snapshot(),
            "openings": self._openings.snapshot(),
            "keys": [(key, incidents.snapshot()) for key, incidents in self._keys.items()],
            "drifts": self._drifts.snapshot(),
            "expected": self._expected.snapshot(),
            "provisional": self._provisional.snapshot(),
        }

    @property
    def open(self) -> int:
        """How many incidents are open, without provisional ones."""
        # Copied first, because the gauges ask in another thread.
        return sum(map(len, list(self._keys.values()))) + len(self._drifts)

    def take(self, group: str, message: Judged | Passed | Early) -> list[dict[str, Any]]:
        """Process a message of a key group. Returns the rows of ``ALERT`` that can be decided now."""
        self._order.add(group, message)
        return list(self._decide(self._order.ready()))

    def take_suppressed(self) -> int:
        """How many events did not alert since the last call, because there was no room for a new incident."""
        found, self._suppressed = self._suppressed, 0
        return found

    def take_alarms(self) -> int:
        """How many windows drifted, as the level of a test says, since the last call."""
        return self._drifts.take_alarms()

    def take_expected(self) -> int:
        """How many events did not alert since the last call, because they are expected."""
        found, self._quiet = self._quiet, 0
        return found

    def finish(self) -> list[dict[str, Any]]:
        """Decide all that is left: the input has ended."""
        return list(self._decide(self._order.rest()))

    def _decide(self, dues: Sequence[Due | DueEarly]) -> Iterator[dict[str, Any]]:
        for at, together in itertools.groupby(dues, key=lambda due: due.at):
            both = list(together)
            parts = [due for due in both if isinstance(due, Due)]
            if parts:
                yield from self._decide_windows(at, parts)
                for incident in self._provisional.resolve(at, self._keys):
                    yield self._row(incident, at)
            for due in both:
                if isinstance(due, DueEarly):
                    begun = self._provisional.take(due.early, self._thresholds, self._keys)
                    yield from (
                        self._row(incident, incident.last_ts, threshold) for incident, threshold in begun
                    )

    def _decide_windows(self, at: int, parts: Sequence[Due]) -> Iterator[dict[str, Any]]:
        keys = self._keys_of(parts) if self._own_time else None
        self._expected.pass_time(at, keys)
        yield from self._pass_time(at, list(self._keys) if keys is None else keys)
        yield from self._drifts.pass_time(at, keys)
        on_time = [due for due in parts if not due.late]
        if on_time:
            rows = np.concatenate([due.judged.rows[due.which] for due in on_time])
            self._thresholds.advance(at, self._keys_of(on_time), rows)
            yield from self._alert(at, on_time)
            yield from self._drifts.decide(at, on_time)
        for due in parts:
            if due.late:
                yield from self._alert(at, [due])

    @staticmethod
    def _keys_of(dues: Sequence[Due]) -> list[str]:
        return [due.judged.keys[i] for due in dues for i in due.which.tolist()]

    def _pass_time(self, at: int, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        for key in keys:
            incidents = self._keys.get(key)
            if incidents is None:
                continue
            for incident in incidents.pass_time(at):
                yield self._row(incident, at)
            if incidents.is_empty:
                del self._keys[key]

    def _alert(self, at: int, dues: Sequence[Due]) -> Iterator[dict[str, Any]]:
        """Decide windows, which are late or on time. The key with the most unusual event that is not expected
        comes first: it has the first claim. Late windows take nothing from the budget, because the order in
        which those of two key groups come means nothing.
        """
        found = [
            (key, events, model, self._expected.of(key, events, model))
            for due in dues
            for key, events, model in self._alerting(due)
        ]
        found.sort(key=lambda each: (-_highest(each[1], each[3]), each[0]))
        for key, events, model, expected in found:
            incidents = self._keys.setdefault(key, Incidents(key, self._rules))
            may_open = _always
            if not dues[0].late:
                may_open = self._openings.counted(key, at, self._thresholds.may_open(key))
            taken = incidents.take(events, model, may_open, expected)
            self._suppressed += taken.suppressed
            self._quiet += len(taken.expected)
            if taken.expected and not dues[0].late:
                self._thresholds.raise_threshold(key, self._expected.begun(key, taken.expected, at))
            for incident in sorted(taken.changed, key=_merged_first):
                yield self._row(incident, at, events.threshold)

    def _row(self, incident: Incident, at: int, threshold: float | None = None) -> dict[str, Any]:
        """The next row about ``incident``. ``threshold`` of ``None``: that of windows that end at ``at``."""
        if threshold is None:
            threshold = self._thresholds.at(at, [incident.key])[0]
        realised = self._openings.in_day(incident.key, at)
        return change(incident, at, threshold) | self._budget | {"realised_per_day": realised}

    def _alerting(self, due: Due) -> Iterator[tuple[str, WindowEvents, str | None]]:
        """The windows with events that may alert, or alerted before: the key, the events that stand out, the
        model that embedded them.
        """
        judged = due.judged
        thresholds = np.full(len(judged.keys), np.inf)
        # A window that is late has the threshold of its time.
        end, keys = int(judged.ends[due.which[0]]), self._keys_of([due])
        thresholds[due.which] = self._thresholds.at(end, keys)
        anomaly = judged.events.column("anomaly").to_numpy()
        windows = set(judged.windows[anomaly >= thresholds[judged.windows]].tolist())
        if self._keys:
            windows.update(i for i in due.which.tolist() if judged.keys[i] in self._keys)
        for i in sorted(windows):
            rows = np.flatnonzero(judged.windows == i)
            first, count = int(rows[0]) if len(rows) else 0, len(rows)
            # Most windows have rows that follow each other, which need no copy.
            follow = not count or int(rows[-1]) - first + 1 == count
            events = WindowEvents.of(
                due.at,
                int(judged.starts[i]),
                int(judged.ends[i]),
                float(thresholds[i]),
                int(judged.rows[i]),
                judged.events.slice(first, count) if follow else judged.events.take(pa.array(rows)),
                judged.vectors[rows],
            )
            yield judged.keys[i], events, judged.model


def _highest(events: WindowEvents, expected: Sequence[str | None]) -> float:
    """The highest ``anomaly`` of the events that are not expected; 0 if all are."""
    counts = np.array([mark is None for mark in expected], np.bool_)
    return float(events.anomaly.max(initial=0.0, where=counts))


def _always() -> bool:
    return True


def _merged_first(incident: Incident) -> tuple[bool, int, str]:
    # So an incident has its events before a row says which of them left it.
    return incident.state != "merged", incident.opened, incident.id
