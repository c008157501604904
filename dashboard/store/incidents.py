"""Incidents: what the rows of ``ALERT`` say of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dashboard.store.identities import Hashes
from dashboard.store.members import Change, Part, after
from dashboard.store.scores import event_hashes
from dashboard.store.times import in_micros
from dataflow.items.alerts import ALERT, OVER

#: So many incidents are kept, the newest ones.
MOST_INCIDENTS = 20_000
#: So many rows of one incident are kept, the newest ones.
_MOST_CHANGES = 200
_TIMES = ("decided", "window_start", "window_end", "first_ts", "last_ts")
_EVENTS = ("event_ids", "left_ids")
#: Fields that a row may lack: those that are null or that are new.
_OPTIONAL = ("merged_into", *_EVENTS, "unnamed", "budget_per_day", "budget_of", "realised_per_day")
_FIELDS = tuple(name for name in ALERT.names if name != "format")
_CHANGE = ("sequence", "state", "decided", "count", "peak", "message", "realised_per_day")


@dataclass(frozen=True)
class Incident:
    """``row``: the newest row of ``ALERT``, with times in microseconds, and without the ids of events.
    ``opened``: when the first row was decided. ``changes``: what each row says, by ``sequence``. ``part``:
    its events.
    """

    row: Mapping[str, Any]
    opened: int
    changes: tuple[Mapping[str, Any], ...]
    part: Part

    @property
    def is_open(self) -> bool:
        """Whether the incident goes on."""
        return self.row["state"] not in OVER

    def described(self) -> dict[str, Any]:
        """The incident as the page gets it, without the mark."""
        return {**self.row, "opened": self.opened}


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``ALERT`` in JSON, with integers for times. Raises ``ValueError`` if a field is wrong."""
    missing = [name for name in _FIELDS if name not in row and name not in _OPTIONAL]
    if missing:
        raise ValueError(f"the field {missing[0]!r} is missing")
    found = {name: row.get(name) for name in _FIELDS}
    for name in _TIMES:
        found[name] = in_micros(row[name])
    if not isinstance(row["examples"], list) or not isinstance(row["sequence"], int):
        raise ValueError("examples or sequence have a wrong type")
    found["examples"] = [_example(each) for each in row["examples"]]
    if not all(found[name] is None or _is_texts(found[name]) for name in _EVENTS):
        raise ValueError("event_ids or left_ids have a wrong type")
    return found


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _example(said: Mapping[str, Any]) -> dict[str, Any]:
    near = said.get("nearest_ts")
    return {**said, "ts": in_micros(said["ts"]), "nearest_ts": None if near is None else in_micros(near)}


class Incidents:
    """The incidents by their identity. One thread writes; :meth:`snapshot` gives what others may read."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, dict[str, Any]]] = {}
        #: What each row says of the events.
        self._events: dict[str, dict[int, Change]] = {}
        self._made: dict[str, Incident] = {}
        self._sources: dict[str, int] = {}

    def add(self, rows: Iterable[Mapping[str, Any]], source: int) -> None:
        """Add rows that :func:`checked` has made. A row that comes again replaces the earlier one."""
        changed = set()
        for row in rows:
            name, sequence = row["incident"], row["sequence"]
            of_incident = self._rows.setdefault(name, {})
            of_incident[sequence] = {field: value for field, value in row.items() if field not in _EVENTS}
            events = self._events.setdefault(name, {})
            events[sequence] = _change(row)
            changed.add(name)
            self._sources[name] = source
            if len(of_incident) > _MOST_CHANGES:
                # The first one says when the incident opened.
                first, second = sorted(of_incident)[:2]
                del of_incident[second]
                events[first] = events[first].then(events.pop(second))
        for incident in changed:
            self._made[incident] = _made(self._rows[incident], self._events[incident])
        for incident in list(self._rows)[: max(0, len(self._rows) - MOST_INCIDENTS)]:
            self._remove(incident)

    def forget(self, source: int) -> None:
        """Remove the incidents of a source."""
        for incident in [name for name, each in self._sources.items() if each == source]:
            self._remove(incident)

    def _remove(self, incident: str) -> None:
        for known in (self._rows, self._events, self._made, self._sources):
            known.pop(incident)

    def snapshot(self) -> dict[str, Incident]:
        """Identity -> incident."""
        return dict(self._made)


def _made(rows: Mapping[int, Mapping[str, Any]], events: Mapping[int, Change]) -> Incident:
    ordered = [rows[sequence] for sequence in sorted(rows)]
    changes = tuple({name: row[name] for name in _CHANGE} for row in ordered)
    first, last = ordered[0], ordered[-1]
    said = [events[sequence] for sequence in sorted(events)]
    if last["unnamed"] is None:
        # An older version names examples only.
        ids = _hashes(last["key"], [each["id"] for each in last["examples"]])
        said = [Change(last["decided"], ids, _hashes(last["key"], ()))]
    part = Part(
        name=last["incident"],
        events=after(said),
        left=[change for change in said if len(change.left)],
        is_live=last["kind"] == "events" and last["state"] not in ("merged", "confirmed", "withdrawn"),
        merged_into=last["merged_into"] if last["state"] == "merged" else None,
        opened=first["decided"],
        decided=last["decided"],
    )
    return Incident(last, first["decided"], changes, part)


def _change(row: Mapping[str, Any]) -> Change:
    joined, left = (_hashes(row["key"], row[name] or ()) for name in _EVENTS)
    return Change(row["decided"], joined, left)


def _hashes(key: str, ids: Sequence[str]) -> Hashes:
    if not ids:
        return np.empty(0, np.uint64)
    return event_hashes(pa.array([key] * len(ids), pa.string()), pa.array(ids, pa.string()))
