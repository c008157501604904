"""How much memory the references of a key group take, and which of them shrink when that is too much."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Bools, Int64s
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles

#: What an event takes beside its vector, its near events and its text: in the reference and on its shelf.
EVENT_BYTES = 400
#: What a key takes beside its events.
KEY_BYTES = 8000
#: References shrink until they take this share of what they may take, so that they do not shrink again at
#: once.
ENOUGH = 0.9


class KeySample(NamedTuple):
    """The sampled events of a key.

    ``priority``, ``shelf``, ``size``: ``(n,)``, the priority of each event, its shelf, and the bytes that the
    event takes. ``cap``: an event with a higher priority does not enter. ``used``: the last emission with
    events that were offered.
    """

    priority: Doubles
    shelf: Int64s
    size: Int64s
    cap: float = np.inf
    used: int = 0

    def memory(self) -> int:
        """The bytes of the events and of the key; 0 if there are no events."""
        return KEY_BYTES + int(self.size.sum()) if len(self.priority) else 0

    def take(self, which: Bools) -> "KeySample":
        """The events at ``which``."""
        return self._replace(priority=self.priority[which], shelf=self.shelf[which], size=self.size[which])

    def extend(self, offered: "KeySample", which: slice) -> "KeySample":
        """These events, then those of ``offered`` at ``which``; used when those were offered."""
        priority = np.concatenate([self.priority, offered.priority[which]])
        shelf = np.concatenate([self.shelf, offered.shelf[which]])
        size = np.concatenate([self.size, offered.size[which]])
        return KeySample(priority, shelf, size, self.cap, offered.used)


#: The sample of a key that has no events.
NOTHING = KeySample(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))


def event_bytes(events: Features) -> Int64s:
    """``(n,)``: the bytes of memory that each event takes while it is sampled, on its shelf too.

    >>> event_bytes(Features.none(384, 16)).tolist()
    []
    """
    texts = pc.binary_length(pa.array(events.texts, pa.large_string())).to_numpy()
    numbers = sum(matrix.itemsize * matrix.shape[1] for matrix in (events.vectors, events.near.squares))
    size: Int64s = 2 * (texts.astype(np.int64) + numbers) + EVENT_BYTES
    return size


def shrunk(samples: Mapping[str, KeySample], most: int, least: int) -> dict[str, KeySample]:
    """The samples that shrink, so that all samples take ``most`` bytes at most; a sample without events: the
    key is forgotten.

    Nothing shrinks while the samples take ``most`` bytes or less. Else the samples that have not been used
    for longest shrink first; of several, those with most bytes; then in order of their keys. Each is cut to
    half of its events, and a key that would have fewer than ``least`` events is forgotten. This is repeated
    until the samples take ``ENOUGH`` of ``most``.

    >>> one = KeySample(np.array([3.0, 1.0, 2.0, 4.0]), np.zeros(4, np.int64), np.full(4, 5000), used=7)
    >>> samples = {"old": one._replace(used=6), "new": one}
    >>> smaller = shrunk(samples, most=40_000, least=2)
    >>> [(key, sample.priority.tolist(), sample.cap) for key, sample in smaller.items()]
    [('old', [1.0, 2.0], 2.0), ('new', [1.0, 2.0], 2.0)]
    >>> {key: len(sample.priority) for key, sample in shrunk(samples, most=40_000, least=3).items()}
    {'old': 0}
    """
    smaller: dict[str, KeySample] = {}
    total = sum(sample.memory() for sample in samples.values())
    if total <= most:
        return smaller
    left = dict(samples)
    while total > ENOUGH * most:
        for key in sorted(left, key=lambda key: (left[key].used, -left[key].memory(), key)):
            half = _half(left[key], least)
            total -= left[key].memory() - half.memory()
            smaller[key] = left[key] = half
            if total <= ENOUGH * most:
                break
        left = {key: sample for key, sample in left.items() if len(sample.priority)}
    return smaller


def _half(sample: KeySample, least: int) -> KeySample:
    """The half of the events with the lowest priorities, or ``NOTHING``."""
    # Events of equal priorities stay or leave together, so that the cap alone says which events stay.
    stays = sample.priority < np.sort(sample.priority)[len(sample.priority) // 2]
    if np.count_nonzero(stays) < least:
        return NOTHING
    half = sample.take(stays)
    return half._replace(cap=float(half.priority.max()))
