"""Incidents: what the rows of ``ALERT`` say of each in the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Columns of ``ALERT`` that are fields of an incident.
_SAME = ("kind", "key", "state", "first_ts", "last_ts", "count", "peak", "message", "merged_into")


@dataclass(frozen=True)
class Incident:
    """An incident. Columns of its last row of ``ALERT``, and ``opened``: when the first row was decided.

    All times are microseconds since the Unix epoch, UTC. ``examples``: the fields of examples in ``ALERT``.
    """

    id: str
    kind: str
    key: str
    state: str
    opened: int
    first_ts: int
    last_ts: int
    count: int
    peak: float
    message: str
    merged_into: str | None
    examples: tuple[Mapping[str, Any], ...]

    @property
    def example_ids(self) -> set[str]:
        """The ids of the events that are examples."""
        return {each["id"] for each in self.examples}

    def overlap(self, other: "Incident") -> int:
        """How long both last, in microseconds; negative: from the end of one to the start of the other."""
        return min(self.last_ts, other.last_ts) - max(self.first_ts, other.first_ts)


def incidents_of(rows: Iterable[Mapping[str, Any]]) -> list[Incident]:
    """The incidents of rows of ``ALERT`` whose times are integers, by the time when they opened; without
    provisional ones, which only say earlier what other incidents say.

    >>> first = {"incident": "i", "sequence": 0, "kind": "events", "key": "k", "state": "open", "decided": 5,
    ...     "first_ts": 1, "last_ts": 2, "count": 2, "peak": 3.0, "message": "m", "merged_into": None,
    ...     "examples": []}
    >>> later = first | {"sequence": 1, "state": "updated", "decided": 9, "count": 4}
    >>> [(each.id, each.opened, each.count) for each in incidents_of([later, first])]
    [('i', 5, 4)]
    """
    last: dict[str, Mapping[str, Any]] = {}
    opened: dict[str, int] = {}
    provisional: set[str] = set()
    for row in sorted(rows, key=lambda row: int(row["sequence"])):
        if row["sequence"] == 0 and row["state"] == "provisional":
            provisional.add(row["incident"])
        last[row["incident"]] = row
        opened.setdefault(row["incident"], row["decided"])
    found = [
        Incident(
            id=id,
            opened=opened[id],
            examples=tuple(row["examples"]),
            **{name: row[name] for name in _SAME},
        )
        for id, row in last.items()
        if id not in provisional
    ]
    return sorted(found, key=lambda each: (each.opened, each.id))
