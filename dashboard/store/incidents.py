"""Incidents: what the rows of ``ALERT`` say of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.store.times import in_micros
from dataflow.items.alerts import ALERT, OVER

#: So many incidents are kept, the newest ones.
MOST_INCIDENTS = 20_000
#: So many rows of one incident are kept, the newest ones.
_MOST_CHANGES = 200
_TIMES = ("decided", "window_start", "window_end", "first_ts", "last_ts")
_FIELDS = tuple(name for name in ALERT.names if name != "format")
_CHANGE = ("sequence", "state", "decided", "count", "peak", "message")


@dataclass(frozen=True)
class Incident:
    """``row``: the newest row of ``ALERT``, with times in microseconds. ``opened``: when the first row was
    decided. ``changes``: what each row says, by ``sequence``.
    """

    row: Mapping[str, Any]
    opened: int
    changes: tuple[Mapping[str, Any], ...]

    @property
    def is_open(self) -> bool:
        """Whether the incident goes on."""
        return self.row["state"] not in OVER

    def described(self) -> dict[str, Any]:
        """The incident as the page gets it, without the mark."""
        return {**self.row, "opened": self.opened}


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``ALERT`` in JSON, with integers for times. Raises ``ValueError`` if a field is wrong."""
    missing = [name for name in _FIELDS if name not in row and name != "merged_into"]
    if missing:
        raise ValueError(f"the field {missing[0]!r} is missing")
    found = {name: row.get(name) for name in _FIELDS}
    for name in _TIMES:
        found[name] = in_micros(row[name])
    if not isinstance(row["examples"], list) or not isinstance(row["sequence"], int):
        raise ValueError("examples or sequence have a wrong type")
    found["examples"] = [_example(each) for each in row["examples"]]
    return found


def _example(said: Mapping[str, Any]) -> dict[str, Any]:
    near = said.get("nearest_ts")
    return {**said, "ts": in_micros(said["ts"]), "nearest_ts": None if near is None else in_micros(near)}


class Incidents:
    """The incidents by their identity. One thread writes; :meth:`snapshot` gives what others may read."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, dict[str, Any]]] = {}
        self._made: dict[str, Incident] = {}
        self._sources: dict[str, int] = {}

    def add(self, rows: Iterable[Mapping[str, Any]], source: int) -> None:
        """Add rows that :func:`checked` has made. A row that comes again replaces the earlier one."""
        changed = set()
        for row in rows:
            of_incident = self._rows.setdefault(row["incident"], {})
            of_incident[row["sequence"]] = dict(row)
            changed.add(row["incident"])
            self._sources[row["incident"]] = source
            if len(of_incident) > _MOST_CHANGES:
                # The first one says when the incident opened.
                del of_incident[sorted(of_incident)[1]]
        for incident in changed:
            self._made[incident] = _made(self._rows[incident])
        for incident in list(self._rows)[: max(0, len(self._rows) - MOST_INCIDENTS)]:
            self._remove(incident)

    def forget(self, source: int) -> None:
        """Remove the incidents of a source."""
        for incident in [name for name, each in self._sources.items() if each == source]:
            self._remove(incident)

    def _remove(self, incident: str) -> None:
        for known in (self._rows, self._made, self._sources):
            known.pop(incident)

    def snapshot(self) -> dict[str, Incident]:
        """Identity -> incident."""
        return dict(self._made)


def _made(rows: Mapping[int, Mapping[str, Any]]) -> Incident:
    ordered = [rows[sequence] for sequence in sorted(rows)]
    changes = tuple({name: row[name] for name in _CHANGE} for row in ordered)
    return Incident(ordered[-1], ordered[0]["decided"], changes)
