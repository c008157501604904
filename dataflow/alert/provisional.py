"""Alerts that come before the windows of their events end."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.alert.incident import Incident
from dataflow.alert.incidents import Incidents
from dataflow.alert.rules import Rules
from dataflow.alert.thresholds import Thresholds
from dataflow.alert.window_events import examples
from dataflow.items.early import Early
from dataflow.items.hashes import hashes
from dataflow.items.likeness import Likeness
from dataflow.items.rows import event_times

#: So many events of a provisional incident can confirm it.
_MOST_EVENTS = 1000


@dataclass
class _Provisional:
    """A provisional incident. ``events``: the hashes of the ids of its first events. ``until``: the end of
    the last window of these events. ``model``: the model that embedded them.
    """

    incident: Incident
    events: list[int]
    until: int
    model: str | None


@dataclass(frozen=True)
class _Event:
    """An event that stands out. ``row``: its row of ``EARLY``. ``vector``: ``(1, dim)``. ``until``: the end
    of its last window. The other fields are columns.
    """

    row: pa.RecordBatch
    vector: Any
    hash: int
    ts: int
    anomaly: float
    until: int


class ProvisionalIncidents:
    """The provisional incidents of all keys.

    They change nothing about the incidents that are decided when windows end. A provisional incident ends as
    ``confirmed`` if one of its events is in an incident, and as ``withdrawn`` if all windows of its events
    have ended and none is.

    ``length_us``, ``step_us``: the length of windows, and the time from one to the next. ``state`` is what
    :meth:`snapshot` returned.
    """

    def __init__(
        self,
        rules: Rules,
        likeness: Likeness,
        *,
        length_us: int,
        step_us: int,
        state: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = (),
    ) -> None:
        self._rules, self._likeness, self._length, self._step = rules, likeness, length_us, step_us
        self._keys = {
            key: [_Provisional(**{**each, "incident": Incident.of_state(each["incident"])}) for each in some]
            for key, some in state
        }

    def snapshot(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The state as plain data."""
        return [
            (key, [{**vars(each), "incident": each.incident.snapshot()} for each in some])
            for key, some in self._keys.items()
        ]

    def take(
        self, early: Early, thresholds: Thresholds, keys: Mapping[str, Incidents]
    ) -> Iterator[tuple[Incident, float]]:
        """Take events that stand out before their windows end. Gives the incidents that begin, each with the
        ``anomaly`` that it needed.

        ``thresholds``: those of the windows that ended last. ``keys``: the incidents of keys. An event that
        is near an open incident is no news.
        """
        names = early.events.column("key").dictionary_encode()
        for code, key in enumerate(names.dictionary.to_pylist()):
            rows = np.flatnonzero(names.indices.to_numpy() == code)
            expected = self._likeness.expected(key, early.passed, early.model, early.vectors[rows])
            rows = rows[[mark is None for mark in expected]]
            threshold = float(thresholds.at(early.passed, [key])[0])
            mine = self._keys.setdefault(key, [])
            for event in self._events(early, rows):
                if key in keys and keys[key].is_near(event.vector, early.model):
                    continue
                if any(self._join(each, event, early.model) for each in mine):
                    continue
                if event.anomaly >= threshold and len(mine) + 1 <= thresholds.room(key):
                    mine.append(self._begin(key, event, early))
                    yield mine[-1].incident, threshold
            if not mine:
                del self._keys[key]

    def resolve(self, at: int, keys: Mapping[str, Incidents]) -> Iterator[Incident]:
        """End the provisional incidents that are decided now that windows have ended at ``at``."""
        for key, mine in list(self._keys.items()):
            owners = keys[key].owners() if key in keys else {}
            for each in list(mine):
                found = Counter(owners[event] for event in each.events if event in owners)
                if found:
                    each.incident.state = "confirmed"
                    # Of equal counts, the first one in the order of the events.
                    each.incident.merged_into = found.most_common(1)[0][0]
                elif each.until <= at:
                    each.incident.state = "withdrawn"
                else:
                    continue
                mine.remove(each)
                yield each.incident
            if not mine:
                del self._keys[key]

    def _events(self, early: Early, rows: Any) -> Iterator[_Event]:
        events = early.events
        ids, ts = hashes(events.column("id")), event_times(events)
        anomaly = events.column("anomaly").to_numpy()
        for row in rows.tolist():
            after = (int(ts[row]) + self._length - early.end) // self._step
            yield _Event(
                events.slice(row, 1),
                early.vectors[[row]],
                int(ids[row]),
                int(ts[row]),
                float(anomaly[row]),
                early.end + max(after, 0) * self._step,
            )

    def _join(self, provisional: _Provisional, event: _Event, model: str | None) -> bool:
        """Let an event join a provisional incident that it is near. Returns whether it is."""
        incident = provisional.incident
        if model != provisional.model or not incident.is_near(event.vector, self._rules.radius)[0]:
            return False
        incident.learn(event.vector, self._rules.radius)
        self._count(provisional, event)
        return True

    def _count(self, provisional: _Provisional, event: _Event) -> None:
        incident = provisional.incident
        incident.join(event.row.column("id").to_pylist(), 1)
        incident.peak = max(incident.peak, event.anomaly)
        incident.first_ts = min(incident.first_ts, event.ts)
        incident.last_ts = max(incident.last_ts, event.ts)
        incident.show(examples(event.row), self._rules.examples)
        if len(provisional.events) < _MOST_EVENTS:
            provisional.events.append(event.hash)
            provisional.until = max(provisional.until, event.until)

    def _begin(self, key: str, event: _Event, early: Early) -> _Provisional:
        id = event.row.column("id")[0].as_py()
        incident = Incident(
            id=hashlib.sha256(f"{key}\0{id}\0provisional".encode()).hexdigest()[:16],
            key=key,
            opened=early.passed,
            last=early.passed,
            window_start=early.start,
            window_end=early.end,
            first_ts=event.ts,
            last_ts=event.ts,
            exemplars=event.vector,
            cluster=-1,
            state="provisional",
            is_provisional=True,
        )
        provisional = _Provisional(incident, [], event.until, early.model)
        self._count(provisional, event)
        return provisional
