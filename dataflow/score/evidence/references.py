"""The references of the keys of a group."""

from collections.abc import Mapping, Sequence

import numpy as np

from dataflow.items.arrays import Int64s
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.reference import Reference
from dataflow.score.evidence.small import SmallKeys
from dataflow.settings import Score


class References:
    """The sampled events of the keys of a group. A key with ``reference_least`` events has a reference.

    ``pinned``: the events that are members in place of sampled events. A key with pinned events has a
    reference, however many events it has.
    """

    def __init__(self, options: Score, pinned: Pinned | None) -> None:
        self._options, self._pinned = options, pinned
        self.large: dict[str, Reference] = {}
        self.small = SmallKeys(options.reference_least)

    def __len__(self) -> int:
        """The number of keys with events."""
        return len(self.large) + len(self.small)

    def of(self, key: str, model: str | None, events: Features) -> Reference | None:
        """The reference of a key; ``None``: it has too few events.

        ``model``: see :meth:`Pinned.of`. ``events``: any events, which tell the dimensions.
        """
        reference = self.large.get(key)
        if self._pinned and model:
            members = self._pinned.of(key, model)
            if members is not None:
                if reference is None:
                    reference = self.large[key] = self.empty(events)
                if members is not reference.pinned:
                    reference.pin(members)
        return reference

    def empty(self, events: Features) -> Reference:
        """A reference without events. ``events``: any events, which tell the dimensions."""
        options = self._options
        return Reference(
            events.vectors.shape[1],
            rows=options.reference_rows,
            neighbours=options.novelty_neighbours,
            with_window=options.novelty_window,
            columns=options.columns,
        )

    def enter(
        self,
        keys: Sequence[str],
        bounds: Sequence[int],
        rows: Int64s,
        events: Features,
        released: Int64s,
        model: str | None,
    ) -> None:
        """Offer the events ``rows`` to the samples of ``keys``.

        The key ``i`` has the rows from ``bounds[i]`` up to but without ``bounds[i + 1]``. ``released``: of
        all ``events`` (see :meth:`Reference.enter`). ``model``: see :meth:`Pinned.of`.
        """
        small: dict[str, int] = {}
        is_small = np.zeros(len(rows), np.bool_)
        for key, first, last in zip(keys, bounds, bounds[1:], strict=False):
            if first == last:
                continue
            reference = self.of(key, model, events)
            if reference is None:
                small[key] = last - first
                is_small[first:last] = True
            else:
                mine = rows[first:last]
                reference.enter(events.take(mine), released[mine])
        if small:
            of_small = rows[is_small]
            grown = self.small.enter(small, events.take(of_small), released[of_small])
            for key, (of_key, until) in grown.items():
                self.large[key] = self.empty(of_key)
                self.large[key].enter(of_key, until)

    def shrink(self, caps: Mapping[str, float]) -> None:
        """Remove the events with priorities above ``caps``; minus infinity: all events of the key."""
        # A key that has so few events is forgotten when it shrinks.
        self.small.pop(caps)
        for key, cap in caps.items():
            if key in self.large:
                events, released = self.large.pop(key).up_to(cap)
                if len(events):
                    self.large[key] = self.empty(events)
                    self.large[key].enter(events, released)

    def forget(self) -> None:
        """Remove all events."""
        self.large, self.small = {}, SmallKeys(self._options.reference_least)

    def highest(self, key: str) -> float:
        """A priority that no sampled event of a key exceeds; minus infinity: the key has no events."""
        if key in self.large:
            self.large[key].take_in()
            return float(self.large[key].events.priority.max(initial=-np.inf))
        return np.inf if key in self.small else -np.inf

    def waiting(self) -> list[tuple[str, Doubles, Int64s]]:
        """The keys with events that are not released: see :meth:`SmallKeys.waiting`."""
        of_large = [(key, *reference.waiting()) for key, reference in self.large.items()]
        return [of_key for of_key in of_large if len(of_key[1])] + self.small.waiting()
