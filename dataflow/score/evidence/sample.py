"""Which events of a key group are sampled, and on which shelf each of them is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.score.evidence.members import Doubles, sampled
from dataflow.score.evidence.messages import Append, Candidates, Drop, Order, Placed, Recall, Trim
from dataflow.score.order import EmissionOrder

#: A shelf with this many events takes no more events.
FULL_EVENTS = 4096
#: At a snapshot, a shelf with this many events takes no more, so that it is not written again.
SEAL_EVENTS = 256
#: Shelves are trimmed when the events that are not sampled any more are more than this share of the others.
SLACK = 0.5


class _OfKey(NamedTuple):
    """The sampled events of a key: ``(n,)`` their priorities, and the shelf of each."""

    priority: Doubles
    shelf: Int64s


_NONE = _OfKey(np.empty(0), np.empty(0, np.int64))


class Samples:
    """The samples of the keys of a group. ``rows``: the most events of a key.

    ``state`` is what :meth:`snapshot` returned. It has the priorities of the sampled events. The events
    themselves are on the shelves.
    """

    def __init__(self, rows: int, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"next": 0, "shelf": 0, "model": None, "held": (), "keys": ()}
        self._rows = rows
        self._order = EmissionOrder[Candidates](state["next"])
        #: The shelf that takes the next events. Its number is never used again.
        self._shelf: int = state["shelf"]
        self._model: str | None = state["model"]
        self._held: dict[int, int] = dict(state["held"])
        self._keys = {
            key: _OfKey(np.frombuffer(priority), np.frombuffer(shelf, np.int64))
            for key, priority, shelf in state["keys"]
        }
        #: How many sampled events are on each shelf; a shelf may hold more events.
        self._sampled = dict.fromkeys(self._held, 0)
        for of_key in self._keys.values():
            self._note(of_key.shelf, 1)
        self._recalled: tuple[int, ...] | None = tuple(self._held)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Raises ``LostRowsError`` if an emission did not come."""
        following = self._order.snapshot()
        if self._held.get(self._shelf, 0) >= SEAL_EVENTS:
            self._shelf += 1
        keys = [
            (key, of_key.priority.tobytes(), of_key.shelf.tobytes()) for key, of_key in self._keys.items()
        ]
        held = list(self._held.items())
        return {"next": following, "shelf": self._shelf, "model": self._model, "held": held, "keys": keys}

    def __len__(self) -> int:
        """The number of sampled events."""
        return sum(self._sampled.values())

    def take(self, candidates: Candidates) -> tuple[list[Placed], list[Order]]:
        """Process an emission. Returns what can be compared now, and the orders to the shelves."""
        placed: list[Placed] = []
        orders: list[Order] = []
        for following in self._order.take(candidates.emission, candidates):
            if self._recalled is not None:
                orders.extend(map(Recall, self._recalled))
            which, made = self._place(following)
            placed.append(Placed(following, which, self._recalled))
            orders.extend(made)
            self._recalled = None
        return placed, orders

    def _place(self, candidates: Candidates) -> tuple[Bools, list[Order]]:
        if candidates.model not in (None, self._model):
            # Embeddings of two models cannot be compared.
            self._model, self._keys, self._sampled = candidates.model, {}, dict.fromkeys(self._held, 0)
            self._shelf += 1
        which = np.zeros(len(candidates.leaves), np.bool_)
        for key, start, stop in candidates.segments():
            leaves = start + np.flatnonzero(candidates.leaves[start:stop])
            if len(leaves):
                which[leaves] = self._offer(key, candidates.events.priority[leaves])
        orders: list[Order] = []
        if which.any():
            orders.append(Append(self._shelf, _with_keys(candidates, which)))
            self._held[self._shelf] = self._held.get(self._shelf, 0) + int(np.count_nonzero(which))
            if self._held[self._shelf] >= FULL_EVENTS:
                self._shelf += 1
        return which, orders + self._reclaim()

    def _offer(self, key: str, priority: Doubles) -> Bools:
        """Offer events to the sample of a key. Returns which of them are sampled."""
        old = self._keys.get(key, _NONE)
        if len(old.priority) + len(priority) > self._rows:
            return self._offer_full(key, old, priority)
        here = np.full(len(priority), self._shelf)
        self._keys[key] = _OfKey(np.concatenate([old.priority, priority]), np.concatenate([old.shelf, here]))
        self._sampled[self._shelf] = self._sampled.get(self._shelf, 0) + len(priority)
        return np.ones(len(priority), np.bool_)

    def _offer_full(self, key: str, old: _OfKey, priority: Doubles) -> Bools:
        priorities = np.concatenate([old.priority, priority])
        shelves = np.concatenate([old.shelf, np.full(len(priority), self._shelf)])
        stays = sampled(priorities, self._rows)
        self._keys[key] = _OfKey(priorities[stays], shelves[stays])
        was, now = stays[: len(old.priority)], stays[len(old.priority) :]
        self._note(old.shelf[~was], -1)
        self._note(shelves[len(was) :][now], 1)
        return now

    def _note(self, shelves: Int64s, sign: int) -> None:
        for shelf, events in zip(*np.unique(shelves, return_counts=True), strict=True):
            self._sampled[int(shelf)] = self._sampled.get(int(shelf), 0) + sign * int(events)

    def _reclaim(self) -> list[Order]:
        """Remove events that are not sampled any more, where that is worth the work."""
        orders: list[Order] = []
        for shelf in [shelf for shelf in self._held if not self._sampled.get(shelf)]:
            orders.append(Drop(shelf))
            del self._held[shelf]
            self._sampled.pop(shelf, None)
            self._shelf += shelf == self._shelf
        if sum(self._held.values()) <= (1 + SLACK) * len(self):
            return orders
        highest = {key: float(of_key.priority.max()) for key, of_key in self._keys.items()}
        for shelf, held in self._held.items():
            if held > self._sampled[shelf]:
                orders.append(Trim(shelf, highest))
                self._held[shelf] = self._sampled[shelf]
        return orders


def _with_keys(candidates: Candidates, which: Bools) -> pa.RecordBatch:
    sizes = np.diff(candidates.offsets)
    keys = np.repeat(np.arange(len(sizes)), sizes)[which]
    column = pa.array(candidates.keys, pa.string()).take(pa.array(keys))
    return candidates.events.take(which).batch().append_column("key", column)
