"""The pooled reference of a key group, for keys that do not have enough events of their own."""

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.reference import Reference
from dataflow.score.evidence.references import References


class Pool:
    """A sample of the earlier events of all keys of a group: the ``rows`` events with the lowest priorities.

    The sample of each key holds its events with the lowest priorities. So the events with the lowest
    priorities of all samples are those of all events that were offered, but for events of references that
    shrank. The pool is made of the references when a key needs it, and carried on while keys need it.
    """

    def __init__(self, rows: int, references: References) -> None:
        self._rows, self._references = rows, references
        self._reference: Reference | None = None

    def forget(self) -> None:
        """Make the pool anew when it is needed again: events of references were removed."""
        self._reference = None

    def enter(self, events: Features, sampled: Bools, released: Int64s) -> None:
        """Add the events that entered references: those of ``events`` that are ``sampled``, ``(n,)``.

        ``released``: ``(n,)``, see :meth:`~dataflow.score.evidence.reference.Reference.enter`.
        """
        if self._reference is None:
            return
        known = self._reference.events
        if len(known) >= self._rows:
            sampled = sampled & (events.priority < known.priority.max())
        if sampled.any():
            self._reference.enter(events.take(sampled), released[sampled])
        if len(self._reference) > len(known) + self._rows:
            # No key has needed the pool for long.
            self.forget()

    def reference(self, events: Features) -> Reference:
        """The pool. ``events``: any events, which tell the dimensions."""
        if self._reference is None:
            self._reference = self._references.empty(events)
            large, small = self._references.large.values(), self._references.small
            for reference in large:
                reference.take_in()
            every = [reference.events.priority for reference in large]
            highest = _lowest(np.concatenate([small.priorities(), *every]), self._rows)
            for reference, priority in zip(large, every, strict=True):
                if len(priority) and priority.min() <= highest:
                    self._reference.enter(*reference.up_to(highest))
            for lowest, released in small.up_to(highest):
                self._reference.enter(lowest, released)
        return self._reference


def _lowest(priority: Doubles, rows: int) -> float:
    """The highest of the ``rows`` lowest priorities; infinity if there are no more."""
    return float(np.partition(priority, rows - 1)[rows - 1]) if len(priority) > rows else np.inf
