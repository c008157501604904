"""Lists of incidents, with their marks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.store.incidents import Incident
from dashboard.store.store import Moment

#: Incidents that are others by another name, or none in the end.
_NOT_COUNTED = ("provisional", "confirmed", "merged", "withdrawn")


@dataclass(frozen=True)
class Wanted:
    """Conditions that an incident fulfils together. ``state``: ``open``, ``closed``, or a state of ``ALERT``.
    ``start`` and ``end``: the incident has an event in between. ``mark``: ``expected``, ``real`` or ``none``.
    """

    key: str | None = None
    kind: str | None = None
    state: str | None = None
    start: int | None = None
    end: int | None = None
    mark: str | None = None

    def has(self, incident: Incident, mark: str | None) -> bool:
        """Whether the incident, which people marked so, fulfils the conditions."""
        row = incident.row
        state = "open" if incident.is_open else "closed"
        return (
            self.key in (None, row["key"])
            and self.kind in (None, row["kind"])
            and self.state in (None, state, row["state"])
            and (self.start is None or row["last_ts"] >= self.start)
            and (self.end is None or row["first_ts"] < self.end)
            and self.mark in (None, mark or "none")
        )


Marks = Mapping[str, Mapping[str, Any]]


def listed(moment: Moment, marks: Marks, wanted: Wanted, offset: int, limit: int) -> dict[str, Any]:
    """Incidents, the newest decision first. ``marks``: incident -> its mark."""
    found = [
        incident
        for name, incident in moment.incidents.items()
        if wanted.has(incident, marks[name]["mark"] if name in marks else None)
    ]
    found.sort(key=lambda each: (each.row["decided"], each.row["incident"]), reverse=True)
    page = [described(each, marks) for each in found[offset : offset + limit]]
    return {
        "generation": moment.generation,
        "total": len(found),
        "incidents": page,
        "precision": precision(moment, marks),
    }


def described(incident: Incident, marks: Marks) -> dict[str, Any]:
    """An incident with its mark."""
    return {**incident.described(), "mark": marks.get(incident.row["incident"])}


def whole(moment: Moment, marks: Marks, name: str) -> dict[str, Any] | None:
    """An incident with all its changes; ``None``: it is not known."""
    incident = moment.incidents.get(name)
    if incident is None:
        return None
    return {**described(incident, marks), "changes": incident.changes}


def precision(moment: Moment, marks: Marks) -> dict[str, Any]:
    """How many of the incidents of events are real: ``share`` of those that are marked, in [0, 1]."""
    said = [
        marks[name]["mark"] if name in marks else None
        for name, incident in moment.incidents.items()
        if incident.row["kind"] == "events" and incident.row["state"] not in _NOT_COUNTED
    ]
    real, expected = said.count("real"), said.count("expected")
    share = real / (real + expected) if real + expected else None
    return {"real": real, "expected": expected, "unmarked": said.count(None), "share": share}


def counts(moment: Moment) -> dict[str, int]:
    """How many incidents are open and closed."""
    is_open = sum(incident.is_open for incident in moment.incidents.values())
    return {"open": is_open, "closed": len(moment.incidents) - is_open}
