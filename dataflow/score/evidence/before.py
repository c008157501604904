"""The events of a key that came before an event, while their windows have not ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dataflow.items.arrays import Bools
from dataflow.items.fixed import squared
from dataflow.items.ipc import pack, unpack
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.near import FAR, Near, smallest

#: An event is judged beside at most so many events that came before it.
MOST_BEFORE = 1000


@dataclass(frozen=True)
class Before:
    """The last events of a key, at most ``MOST_BEFORE``, in order of arrival.

    ``suspect``: ``(n,)``, which of them have to wait before they can be members of the reference. ``old``:
    those that are not suspect and came before the last window ended.
    """

    events: Features
    suspect: Bools
    old: Features

    @staticmethod
    def nothing(events: Features) -> "Before":
        """No events. ``events``: any events, which tell the dimensions."""
        return Before(events.take(slice(0)), np.zeros(0, np.bool_), events.take(slice(0)))

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "Before":
        """What :meth:`snapshot` wrote down."""
        events, old = (Features.of(unpack(state[name])[0]) for name in ("events", "old"))
        return Before(events, np.frombuffer(state["suspect"], np.bool_), old)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        packed = {name: pack([getattr(self, name).batch()]) for name in ("events", "old")}
        return packed | {"suspect": self.suspect.tobytes()}

    def __len__(self) -> int:
        return len(self.events)

    def since(self, start: int) -> "Before":
        """The events at ``start`` or later, now that a window has ended."""
        stays = self.events.ts >= start
        events, suspect = self.events.take(stays), self.suspect[stays]
        return Before(events, suspect, events.take(~suspect))

    def then(self, events: Features, suspect: Bools) -> "Before":
        """These events, then ``events``."""
        last = slice(-MOST_BEFORE, None)
        every = Features.concat([self.events, events]).take(last)
        return Before(every, np.concatenate([self.suspect, suspect])[last], self.old)

    def beside(self, events: Features, usual_size: int, *, reads_near: bool) -> Features:
        """``events`` with what is near each of them among the events of its window that came before it.

        A window counts as large as windows usually are, if it has fewer events so far. Else two events that
        are alike would be a surprise while there are few others. ``usual_size``: how many events a window
        has. ``reads_near``: whether what is near is needed.
        """
        every = Features.concat([self.events, events])
        columns, place = np.arange(len(every)), np.arange(len(self), len(every))[:, None]
        is_before = (columns < place) & (columns >= place - MOST_BEFORE)
        is_before &= every.ts >= events.starts[:, None]
        others = np.maximum(np.count_nonzero(is_before, axis=1), usual_size - 1)
        alike = np.count_nonzero(is_before & (events.forms[:, None] == every.forms), axis=1)
        near = Near(events.near.squares, np.zeros(len(events), np.int64))
        if reads_near:
            squares = near.squares.copy()
            between = np.where(is_before, squared(events.vectors, every.vectors), FAR)
            nearest = smallest(between, squares.shape[1])
            squares[:, : nearest.shape[1]] = nearest
            near = Near(squares, others)
        return replace(events, near=near, alike=alike + 1, sizes=others + 1)
