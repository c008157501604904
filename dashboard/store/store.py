"""The whole of what the page knows, and the moments of it that requests read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pyarrow as pa

from dashboard.store.incidents import Incident, Incidents
from dashboard.store.scores import Scores, Snapshot
from dashboard.store.side import SideRows
from dashboard.streams import Stream

_SIDES: tuple[Stream, ...] = ("drift", "windows", "late", "dead_letters")


@dataclass(frozen=True)
class Moment:
    """What is known at a moment. It never changes. ``generation`` grows with each change.

    ``sides``: stream -> its rows. ``incident_of``: the hash of an event -> the incident that it belongs to.
    """

    generation: int
    scores: Snapshot
    incidents: Mapping[str, Incident]
    sides: Mapping[Stream, Sequence[Mapping[str, Any]]]
    incident_of: Mapping[int, str]


class Store:
    """Takes rows from the threads that read sources. ``most``: the scored rows that are kept."""

    def __init__(self, most: int) -> None:
        self._lock = Lock()
        self._scores, self._incidents = Scores(most), Incidents()
        self._sides = {stream: SideRows(stream) for stream in _SIDES}
        self._changed: set[Stream] = set()
        self._moment = Moment(0, self._scores.snapshot(), {}, dict.fromkeys(_SIDES, ()), {})

    @property
    def now(self) -> Moment:
        """The last moment that was published."""
        return self._moment

    def add(self, stream: Stream, source: int, rows: pa.RecordBatch | Sequence[dict[str, Any]]) -> None:
        """Add rows of a source.

        Of ``scores``: a batch of :data:`~dashboard.rows.ROW`; of others: what their ``checked`` has made.
        """
        with self._lock:
            self._changed.add(stream)
            if isinstance(rows, pa.RecordBatch):
                self._scores.add(rows, source)
            elif stream == "alerts":
                self._incidents.add(rows)
            else:
                self._sides[stream].add(rows)

    def forget(self, stream: Stream, source: int) -> None:
        """Remove the rows of a source whose output starts anew."""
        with self._lock:
            self._changed.add(stream)
            if stream == "scores":
                self._scores.forget(source)
            elif stream == "alerts":
                self._incidents.clear()
            else:
                self._sides[stream].clear()

    def publish(self) -> None:
        """Let requests see what has come."""
        with self._lock:
            if not self._changed:
                return
            old, changed = self._moment, self._changed
            scores = self._scores.snapshot() if "scores" in changed else old.scores
            incidents = self._incidents.snapshot() if "alerts" in changed else old.incidents
            sides = {
                stream: rows.snapshot() if stream in changed else old.sides[stream]
                for stream, rows in self._sides.items()
            }
            incident_of = old.incident_of
            if "alerts" in changed or len(scores.keys) != len(old.scores.keys):
                incident_of = _incident_of(scores, incidents)
            self._moment = Moment(old.generation + 1, scores, incidents, sides, incident_of)
            self._changed = set()


def _incident_of(scores: Snapshot, incidents: Mapping[str, Incident]) -> dict[int, str]:
    """The events that incidents show as examples. Of several incidents, the newest one has the event."""
    found: dict[int, str] = {}
    for name, incident in sorted(incidents.items(), key=lambda each: each[1].row["decided"]):
        if incident.row["kind"] == "events" and incident.row["examples"]:
            ids = [example["id"] for example in incident.row["examples"]]
            found |= dict.fromkeys(scores.events(incident.row["key"], ids), name)
    return found
