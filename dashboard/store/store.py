"""The whole of what the page knows, and the moments of it that requests read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pyarrow as pa

from dashboard.store.incidents import Incident, Incidents
from dashboard.store.layout import Fit, Floats, Layout, Projection
from dashboard.store.members import Members
from dashboard.store.scores import Scores, Snapshot
from dashboard.store.side import SideRows
from dashboard.store.vectors import Vectors
from dashboard.streams import Stream
from dataflow.items.embedding import embeddings

_SIDES: tuple[Stream, ...] = ("drift", "windows", "late", "dead_letters")


@dataclass(frozen=True)
class Map:
    """``projection``: ``None``: no map is fitted yet. ``fitted_end``: rows with lower numbers are those that
    the map was fitted on. ``events``: how many events have embeddings; not counted after the fit.
    """

    projection: Projection | None
    fitted_end: int
    vectors: Vectors
    events: int


@dataclass(frozen=True)
class Moment:
    """What is known at a moment. It never changes. ``generation`` grows with each change.

    ``sides``: stream -> its rows. ``incident_of``: the hash of an event -> the incident that it belongs to.
    """

    generation: int
    scores: Snapshot
    incidents: Mapping[str, Incident]
    sides: Mapping[Stream, Sequence[Mapping[str, Any]]]
    incident_of: Members
    map: Map


class Store:
    """Takes rows from the threads that read sources.

    ``most``: the scored rows that are kept. ``fit``: makes the map from embeddings.
    """

    def __init__(self, most: int, fit: Fit) -> None:
        self._lock = Lock()
        self._scores, self._incidents = Scores(most), Incidents()
        self._sides = {stream: SideRows(stream) for stream in _SIDES}
        self._changed: set[Stream] = set()
        self._layout, self._vectors, self._fitted_end = Layout(fit), Vectors(), 0
        sides: dict[Stream, Sequence[Mapping[str, Any]]] = dict.fromkeys(_SIDES, ())
        self._moment = Moment(
            0, self._scores.snapshot(), {}, sides, Members(), Map(None, 0, self._vectors, 0)
        )

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
                self._add_scores(rows, source)
            elif stream == "alerts":
                self._incidents.add(rows, source)
            else:
                self._sides[stream].add(rows, source)

    def settle(self) -> None:
        """Fit the map on the events that are there, if no more come."""
        with self._lock:
            if placed := self._layout.settle():
                self._place(placed)
                self._changed.add("scores")
        self.publish()

    def _add_scores(self, rows: pa.RecordBatch, source: int) -> None:
        added, events = self._scores.add(rows, source)
        if "embedding" not in added.schema.names or not len(added):
            return
        start, vectors = self._scores.end - len(added), embeddings(added)
        self._vectors = self._vectors.plus(start, vectors).without(self._scores.first)
        self._place(self._layout.add(start, events, vectors))

    def _place(self, placed: Sequence[tuple[int, Floats]]) -> None:
        for start, places in placed:
            self._scores.place(start, places)
        if placed and not self._fitted_end:
            self._fitted_end = self._scores.end

    def forget(self, stream: Stream, source: int) -> None:
        """Remove the rows of a source whose output starts anew."""
        with self._lock:
            self._changed.add(stream)
            if stream == "scores":
                self._scores.forget(source)
            elif stream == "alerts":
                self._incidents.forget(source)
            else:
                self._sides[stream].forget(source)

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
            if "alerts" in changed:
                incident_of = Members(incident.part for incident in incidents.values())
            there = Map(self._layout.projection, self._fitted_end, self._vectors, self._layout.events)
            self._moment = Moment(old.generation + 1, scores, incidents, sides, incident_of, there)
            self._changed = set()
