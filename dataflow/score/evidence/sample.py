"""Which events of a key group are sampled, and on which shelf each of them is."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools
from dataflow.items.early import Arrived
from dataflow.score.evidence.again import on_shelf
from dataflow.score.evidence.bound import KEY_BYTES, NOTHING, KeySample, event_bytes, shrunk
from dataflow.score.evidence.members import sampled
from dataflow.score.evidence.messages import (
    Append,
    Candidates,
    Drop,
    Order,
    Placed,
    PlacedArrived,
    Recall,
    Renew,
    Trim,
)
from dataflow.score.order import ArrivalOrder
from dataflow.settings import Score

#: A shelf with this many events takes no more events.
FULL_EVENTS = 4096
#: At a snapshot, a shelf with this many events takes no more, so that it is not written again.
SEAL_EVENTS = 256
#: At each emission after a change of the model, shelves are embedded again until they have this many events.
RENEW_EVENTS = 4096
#: Shelves are trimmed when the events that are not sampled any more are more than this share of the others.
SLACK = 0.5


class Samples:
    """The samples of the keys of a group. ``most_bytes``: what all of them may take.

    ``state`` is what :meth:`snapshot` returned. It has the priorities of the sampled events. The events
    themselves are on the shelves.
    """

    def __init__(self, options: Score, most_bytes: int, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"next": (0, 0), "shelf": 0, "model": None, "held": (), "outdated": (), "keys": ()}
        self._rows, self._least = options.reference_rows, options.reference_least
        self._most_bytes, self._restarts = most_bytes, options.model_change == "restart"
        self._order = ArrivalOrder[Candidates | Arrived](state["next"])
        #: The shelf that takes the next events. Its number is never used again.
        self._shelf: int = state["shelf"]
        self._model: str | None = state["model"]
        self._held: dict[int, int] = dict(state["held"])
        #: The shelves that the model has to embed again.
        self._outdated: list[int] = list(state["outdated"])
        self._keys = {
            key: KeySample(
                np.frombuffer(priority),
                np.frombuffer(shelf, np.int64),
                np.frombuffer(size, np.int64),
                cap,
                used,
            )
            for key, priority, shelf, size, cap, used in state["keys"]
        }
        #: The bytes of all samples.
        self.bytes = len(self._keys) * KEY_BYTES
        #: How many sampled events are on each shelf; a shelf may hold more events.
        self._sampled = dict.fromkeys(self._held, 0)
        for sample in self._keys.values():
            self._count(sample, 1)
        #: Whether ``compare`` needs the events of all shelves.
        self._is_recall_due = True

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Raises ``LostRowsError`` if an emission did not come."""
        following = self._order.snapshot()
        if self._held.get(self._shelf, 0) >= SEAL_EVENTS:
            self._shelf += 1
        keys = [
            (key, *(numbers.tobytes() for numbers in sample[:3]), sample.cap, sample.used)
            for key, sample in self._keys.items()
        ]
        held, outdated = list(self._held.items()), self._outdated
        state = {"next": following, "shelf": self._shelf, "model": self._model, "held": held}
        return state | {"outdated": outdated, "keys": keys}

    def __len__(self) -> int:
        """The number of sampled events."""
        # Copied first, because the gauges ask in another thread.
        return sum(list(self._sampled.values()))

    @property
    def keys(self) -> int:
        """The number of keys with sampled events."""
        return len(self._keys)

    def take(self, item: Candidates | Arrived) -> tuple[list[Placed | PlacedArrived], list[Order]]:
        """Process an emission, or events that have come. Returns what can be compared now, and the orders to
        the shelves.
        """
        placed: list[Placed | PlacedArrived] = []
        orders: list[Order] = []
        if isinstance(item, Arrived):
            ready = self._order.arrived(item.number, item.emissions, item)
        else:
            ready = self._order.emitted(item.emission, item.arrived, item)
        for following in ready:
            if isinstance(following, Arrived):
                here = PlacedArrived(following, away=bool(self._outdated))
                recalled, recalls = self._recall(here.number) if self._model else (None, [])
                placed.append(replace(here, recalled=recalled))
                orders += recalls
                continue
            orders += self._follow(following.model)
            if following.model is not None:
                orders += self._renew(following.model)
            recalled, recalls = self._recall(following.emission)
            which, made = self._place(following)
            caps = self._shrink()
            placed.append(Placed(following, which, caps, recalled, away=bool(self._outdated)))
            orders += [*recalls, *made, *self._reclaim(at_once=bool(caps))]
        return placed, orders

    def _follow(self, model: str | None) -> list[Order]:
        """Go over to another model, if ``model`` is another one: embeddings of two models cannot be
        compared.
        """
        if model in (None, self._model):
            return []
        self._model = model
        if self._restarts:
            self._keys, self._sampled = {}, dict.fromkeys(self._held, 0)
            self.bytes = 0
        orders = self._reclaim(at_once=True)
        self._outdated, self._is_recall_due = list(self._held), True
        return orders

    def _recall(self, number: int) -> tuple[tuple[int, ...] | None, list[Order]]:
        """Recall all shelves under ``number``, if ``compare`` needs them, and the model embedded all."""
        if self._outdated or not self._is_recall_due:
            return None, []
        self._is_recall_due = False
        return tuple(self._held), [Recall(shelf, number) for shelf in self._held]

    def _renew(self, model: str) -> Iterator[Order]:
        """Have some shelves embedded again."""
        events = 0
        while self._outdated and events < RENEW_EVENTS:
            shelf = self._outdated.pop(0)
            if shelf in self._held:
                events += self._held[shelf]
                yield Renew(shelf, model)

    def _place(self, candidates: Candidates) -> tuple[Bools, list[Order]]:
        leaves = np.flatnonzero(candidates.leaves)
        offered = KeySample(
            candidates.events.priority[leaves],
            np.full(len(leaves), self._shelf),
            event_bytes(candidates.events)[leaves],
            used=candidates.emission,
        )
        stays = self._offer(candidates.keys, leaves.searchsorted(candidates.offsets).tolist(), offered)
        which = np.zeros(len(candidates.leaves), np.bool_)
        which[leaves[stays]] = True
        orders: list[Order] = []
        if which.any():
            orders.append(Append(self._shelf, _with_keys(candidates, which)))
            self._held[self._shelf] = self._held.get(self._shelf, 0) + int(np.count_nonzero(which))
            if self._held[self._shelf] >= FULL_EVENTS:
                self._shelf += 1
        return which, orders

    def _offer(self, keys: list[str], bounds: list[int], offered: KeySample) -> Bools:
        """Offer events to the samples of keys. Returns which of them are sampled.

        ``bounds``: the key ``i`` has the events from ``bounds[i]`` up to but without ``bounds[i + 1]``.
        """
        stays, gone, before = np.ones(len(offered.priority), np.bool_), [NOTHING], len(self._keys)
        for key, start, stop in zip(keys, bounds, bounds[1:], strict=False):
            if start == stop:
                continue
            old = self._keys.get(key, NOTHING)
            every = old.extend(offered, slice(start, stop))
            if len(every.priority) > self._rows or old.cap != np.inf:
                stay = (every.priority <= old.cap) & sampled(every.priority, self._rows)
                stays[start:stop] = stay[len(old.priority) :]
                gone.append(old.take(~stay[: len(old.priority)]))
                every = every.take(stay)
            self._keys[key] = every
        self.bytes += (len(self._keys) - before) * KEY_BYTES
        self._count(offered.take(stays), 1)
        for sample in gone:
            self._count(sample, -1)
        return stays

    def _shrink(self) -> dict[str, float]:
        """Shrink samples if all of them take too much. Returns what :class:`Placed` says of them."""
        if self.bytes <= self._most_bytes:
            return {}
        smaller = shrunk(self._keys, self._most_bytes, self._least)
        for key, sample in smaller.items():
            old = self._keys.pop(key)
            self._count(old, -1)
            self._count(sample, 1)
            if len(sample.priority):
                self._keys[key] = sample
            else:
                self.bytes -= KEY_BYTES
        return {key: sample.cap if len(sample.priority) else -np.inf for key, sample in smaller.items()}

    def _count(self, sample: KeySample, sign: int) -> None:
        """Count events in (``sign`` 1) or out (-1) of the bytes and the shelves."""
        self.bytes += sign * int(sample.size.sum())
        for shelf, events in zip(*np.unique(sample.shelf, return_counts=True), strict=True):
            self._sampled[int(shelf)] = self._sampled.get(int(shelf), 0) + sign * int(events)

    def _reclaim(self, *, at_once: bool) -> list[Order]:
        """Remove events that are not sampled any more: all of them (``at_once``), or if that is worth the
        work.

        When samples have shrunk, no event that was removed may be left on a shelf: an event with a lower
        priority than the highest one of its sample would be loaded after a restart.
        """
        orders: list[Order] = []
        for shelf in [shelf for shelf in self._held if not self._sampled.get(shelf)]:
            orders.append(Drop(shelf))
            del self._held[shelf]
            self._sampled.pop(shelf, None)
            self._shelf += shelf == self._shelf
        if not at_once and sum(self._held.values()) <= (1 + SLACK) * len(self):
            return orders
        highest = {key: float(sample.priority.max()) for key, sample in self._keys.items()}
        for shelf, held in self._held.items():
            if held > self._sampled[shelf]:
                orders.append(Trim(shelf, highest))
                self._held[shelf] = self._sampled[shelf]
        return orders


def _with_keys(candidates: Candidates, which: Bools) -> pa.RecordBatch:
    sizes = np.diff(candidates.offsets)
    keys = np.repeat(np.arange(len(sizes)), sizes)[which]
    column = pa.array(candidates.keys, pa.string()).take(pa.array(keys))
    return on_shelf(candidates.events.take(which), column, pa.repeat(candidates.model, len(keys)))
