"""Which events belong to which incident."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.store.identities import Hashes

_NONE: Hashes = np.empty(0, np.uint64)


@dataclass(frozen=True)
class Change:
    """What a row of ``ALERT`` says about the events of an incident: the hashes of those that joined and left,
    ``(n,)`` and ``(m,)``. ``decided``: microseconds.
    """

    decided: int
    joined: Hashes
    left: Hashes

    def then(self, other: "Change") -> "Change":
        """Both changes as one."""
        joined = np.union1d(np.setdiff1d(self.joined, other.left), other.joined)
        return Change(other.decided, joined, np.union1d(self.left, other.left))


def after(changes: Iterable[Change]) -> Hashes:
    """The events after changes, which come in their order."""
    found = _NONE
    for change in changes:
        found = np.setdiff1d(found, change.left) if len(change.left) else found
        found = np.union1d(found, change.joined) if len(change.joined) else found
    return found


@dataclass(frozen=True)
class Part:
    """An incident, and what its own rows say of its events.

    ``is_live``: whether it has the events in the end; that of ``merged`` and ended provisional incidents are
    those of others, or of none. ``merged_into``: the incident that has its events from ``decided`` on.
    ``opened``, ``decided``: when the first and the last row were decided.
    """

    name: str
    events: Hashes
    left: Sequence[Change]
    is_live: bool
    merged_into: str | None
    opened: int
    decided: int


class Members:
    """Event -> incident, for all incidents. It never changes.

    >>> one, other = (np.array([number], np.uint64) for number in (1, 2))
    >>> members = Members([Part("a", one, (), True, None, 0, 9), Part("b", other, (), False, "a", 1, 5)])
    >>> members.events_of("a").tolist(), members.get(2), members.get(3)
    ([1, 2], 'a', None)
    """

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts = {part.name: part for part in parts}
        self._events = self._with_merged()
        live = sorted((part for part in self._parts.values() if part.is_live), key=lambda each: each.decided)
        self._names = [part.name for part in live]
        sets = [self._events[name] for name in self._names]
        events = np.concatenate([_NONE, *sets])
        of_event = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
        # Of several incidents, the one that was decided last has the event.
        order = np.argsort(events, kind="stable")
        is_last = np.append(np.diff(events[order]) != 0, True) if len(order) else np.zeros(0, np.bool_)
        self._sorted, self._incident = events[order][is_last], of_event[order][is_last]

    def _with_merged(self) -> Mapping[str, Hashes]:
        """Incident -> its events, with those of the incidents that merged into it."""
        found = {name: part.events for name, part in self._parts.items()}
        merged = [part for part in self._parts.values() if part.merged_into in self._parts]
        # What merged into an incident merged before the incident did.
        for part in sorted(merged, key=lambda each: (each.decided, -each.opened)):
            into = self._parts[str(part.merged_into)]
            came = found[part.name]
            for change in into.left:
                if change.decided >= part.decided:
                    came = np.setdiff1d(came, change.left)
            found[into.name] = np.union1d(found[into.name], came)
        return found

    def get(self, event: int) -> str | None:
        """The incident of the event with this hash; ``None``: no row names the event."""
        place = int(np.searchsorted(self._sorted, np.uint64(event)))
        if place == len(self._sorted) or int(self._sorted[place]) != event:
            return None
        return self._names[int(self._incident[place])]

    def events_of(self, incident: str) -> Hashes:
        """``(n,)``: the hashes of the events of an incident, with those that merged into it."""
        return self._events.get(incident, _NONE)
