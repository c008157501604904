"""Reads the scored rows: one record for each event, with its largest values over its windows."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.source.demo_log import BURST_LABEL

SCATTERED = "scattered"


class Evidence(NamedTuple):
    """What an event is beside the earlier events, in one window. ``sentence`` explains a high anomaly."""

    anomaly: float
    novelty: float
    surge: float
    sentence: str | None


@dataclass(frozen=True)
class Event:
    """An event. ``score`` is its largest score, ``evidence`` is that of the window with its largest anomaly.

    ``label`` is the kind of a planted anomaly. ``drift`` is true for the new normal topic. ``evidence`` is
    ``None`` if the event has no anomaly in any window: the reference had too few events.
    """

    id: str
    ts: datetime
    text: str
    label: str | None
    drift: bool
    score: float
    evidence: Evidence | None

    def merged(self, other: "Event") -> "Event":
        """The event with the largest values of both."""
        known = [evidence for evidence in (self.evidence, other.evidence) if evidence]
        evidence = max(known, key=lambda each: each.anomaly, default=None)
        return replace(self, score=max(self.score, other.score), evidence=evidence)


class Events:
    """The events of a growing file of scored rows (JSON lines). ``rows``: how many rows were read."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._path = path
        self._read = 0
        self._events: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._events)

    def all(self) -> list[Event]:
        return list(self._events.values())

    def refresh(self) -> None:
        """Reads the complete lines that were added since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            event = _event(json.loads(line))
            before = self._events.get(event.id)
            self._events[event.id] = before.merged(event) if before else event
            self.rows += 1


def highest(events: Iterable[Event], value: Callable[[Event], float | None], count: int) -> list[Event]:
    """The ``count`` events with the highest values, the highest first; events with equal values by id.

    Events without a value are left out.
    """
    known = [(-found, event.id, event) for event in events if (found := value(event)) is not None]
    return [event for *_, event in sorted(known, key=lambda each: each[:2])[:count]]


def planted(labels: Iterable[str | None]) -> Counter[str]:
    """How many of the labels are those of scattered anomalies and of events of a burst."""
    return Counter(BURST_LABEL if label == BURST_LABEL else SCATTERED for label in labels if label)


def _event(row: dict[str, Any]) -> Event:
    evidence, attributes = None, row["attributes"]
    if row["anomaly"] is not None:
        sentence = row["explanation"]["sentence"] if row["explanation"] else None
        evidence = Evidence(row["anomaly"], row["novelty"], row["surge"], sentence)
    return Event(
        row["id"],
        datetime.fromisoformat(row["ts"].replace("Z", "+00:00")),
        row["text"],
        attributes["label"],
        attributes["drift"],
        row["score"],
        evidence,
    )
