"""The sampled events of keys that have too few of them for a reference of their own."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dataflow.items.arrays import Int64s
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import Doubles

#: Rows of keys that left are removed when they are more than this share of the rows that are together.
_SLACK = 0.25


class _Rows(NamedTuple):
    """Events. ``released``: ``(n,)``, see ``Reference.enter``. ``codes``: ``(n,)``, the number of the key of
    each event; -1: the key has left.
    """

    events: Features
    released: Int64s
    codes: Int64s

    def take(self, which: Any) -> "_Rows":
        return _Rows(self.events.take(which), self.released[which], self.codes[which])

    @staticmethod
    def concat(parts: Sequence["_Rows"]) -> "_Rows":
        events, released, codes = zip(*parts, strict=True)
        return _Rows(Features.concat(events), np.concatenate(released), np.concatenate(codes))


class SmallKeys:
    """The events of the keys that have fewer than ``least`` events.

    Ten thousand keys have their events in a few arrays. With arrays for each key, a key would cost more time
    and memory than its events.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        #: Old rows first. Each part has more than twice as many rows as the next one.
        self._parts: list[_Rows] = []
        self._codes: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._next = 0

    def __len__(self) -> int:
        """The number of keys with events."""
        return len(self._sizes)

    def __contains__(self, key: str) -> bool:
        return key in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def enter(
        self, sizes: Mapping[str, int], events: Features, released: Int64s
    ) -> dict[str, tuple[Features, Int64s]]:
        """Add events. ``sizes``: how many events each key has; they are in the order of these keys.

        Returns the events of the keys that have ``least`` events now, and no longer has them.
        """
        for key, size in sizes.items():
            self._sizes[key] = self._sizes.get(key, 0) + size
            if key not in self._codes:
                self._codes[key] = self._next
                self._next += 1
        codes = np.repeat([self._codes[key] for key in sizes], list(sizes.values()))
        self._parts.append(_Rows(events, released, codes))
        self._merge()
        return self.pop([key for key in sizes if self._sizes[key] >= self._least])

    def pop(self, keys: Collection[str]) -> dict[str, tuple[Features, Int64s]]:
        """Remove keys. Returns the events of those that have events, and when each of them is released."""
        of_code = {self._codes.pop(key): key for key in keys if key in self._sizes}
        if not of_code:
            return {}
        found = []
        for place, part in enumerate(self._parts):
            leaves = np.isin(part.codes, list(of_code))
            found.append(part.take(leaves))
            part.codes[leaves] = -1
            if np.count_nonzero(part.codes < 0) > _SLACK * len(part.codes):
                self._parts[place] = part.take(part.codes >= 0)
        self._merge()
        for key in of_code.values():
            del self._sizes[key]
        rows = _Rows.concat(found)
        order = np.argsort(rows.codes, kind="stable")
        codes, first = np.unique(rows.codes[order], return_index=True)
        of_keys = zip(codes.tolist(), np.split(order, first[1:]), strict=True)
        return {of_code[code]: (rows.events.take(mine), rows.released[mine]) for code, mine in of_keys}

    def priorities(self) -> Doubles:
        """The priorities of all events."""
        each = [part.events.priority[part.codes >= 0] for part in self._parts]
        return np.concatenate([np.empty(0), *each])

    def up_to(self, priority: float) -> list[tuple[Features, Int64s]]:
        """The events with this priority or a lower one, and when each of them is released."""
        chosen = [(part.codes >= 0) & (part.events.priority <= priority) for part in self._parts]
        return [part.take(which)[:2] for part, which in zip(self._parts, chosen, strict=True) if which.any()]

    def waiting(self) -> list[tuple[str, Doubles, Int64s]]:
        """The keys with events that are not released: the priorities of these events, ascending, and when
        each of them is released.
        """
        chosen = [(part.codes >= 0) & (part.released != 0) for part in self._parts]
        if not any(which.any() for which in chosen):
            return []
        waits = [
            (part.codes[which], part.released[which], part.events.priority[which])
            for part, which in zip(self._parts, chosen, strict=True)
        ]
        codes, released, priority = map(np.concatenate, zip(*waits, strict=True))
        order = np.lexsort((priority, codes))
        different, first = np.unique(codes[order], return_index=True)
        names = {code: key for key, code in self._codes.items()}
        of_keys = zip(different.tolist(), np.split(order, first[1:]), strict=True)
        return [(names[code], priority[mine], released[mine]) for code, mine in of_keys]

    def _merge(self) -> None:
        """Put parts together, so that there are few of them, and each row is copied a few times only."""
        self._parts = [part for part in self._parts if len(part.codes)]
        while len(self._parts) > 1 and len(self._parts[-2].codes) <= 2 * len(self._parts[-1].codes):
            self._parts[-2:] = [_Rows.concat(self._parts[-2:])]
