"""Puts the windows of key groups into the one order in which they are decided.

Windows of all key groups are decided together, because they share a budget. They come from several workers,
in any order. So a window is decided when all groups have come to its end (:class:`Passed`). Windows are
decided in the order of their ends. Windows that are emitted late are decided after the windows that their
group emitted before. Events that stand out before their windows end are decided after the windows that ended
before the events came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.arrays import Int64s
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed


@dataclass(frozen=True)
class Due:
    """Windows of an emission that end together.

    ``at``: when they are decided, in microseconds since the Unix epoch, UTC. ``late``: whether they were due
    before. ``group``: their key group. ``judged``: the emission. ``which``: ``(w,)``, the windows of it.
    """

    at: int
    late: bool
    group: str
    judged: Judged
    which: Int64s


@dataclass(frozen=True)
class DueEarly:
    """Events that stand out before their windows end.

    ``at``: when they are decided, after all windows that end then, in microseconds since the Unix epoch, UTC.
    ``group``: their key group.
    """

    at: int
    group: str
    early: Early


_NOTHING: dict[str, Any] = {
    "following": {},
    "arrived": {},
    "passed": {},
    "latest": {},
    "waiting": (),
    "early": (),
}


class DecisionOrder:
    """``groups``: how many key groups there are; ``None``: the windows of keys have no common order, and each
    emission is decided when it comes. ``state`` is what :meth:`snapshot` returned.
    """

    def __init__(self, groups: int | None, state: Mapping[str, Any] | None = None) -> None:
        state = state or _NOTHING
        self._groups = groups
        #: By group: the number of the next emission.
        self._following: dict[str, int] = dict(state["following"])
        #: By group: how many ``Early`` have come.
        self._arrived: dict[str, int] = dict(state["arrived"])
        #: By group: how far it has come, the first message first; the last one that all emissions came for.
        self._passed = {group: [Passed(*each) for each in some] for group, some in state["passed"].items()}
        #: By group: the latest end of a window that was not late.
        self._latest: dict[str, int] = dict(state["latest"])
        self._waiting = [
            Due(at, late, group, Judged.of_state(judged), np.array(which))
            for at, late, group, judged, which in state["waiting"]
        ]
        self._early = [DueEarly(at, group, Early.of_state(each)) for at, group, each in state["early"]]

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "following": dict(self._following),
            "arrived": dict(self._arrived),
            "passed": {group: [tuple(each) for each in some] for group, some in self._passed.items()},
            "latest": dict(self._latest),
            "waiting": [
                (due.at, due.late, due.group, due.judged.state(), due.which.tolist()) for due in self._waiting
            ],
            "early": [(due.at, due.group, due.early.state()) for due in self._early],
        }

    def add(self, group: str, message: Judged | Passed | Early) -> None:
        """Add an emission of a group, events of it that stand out early, or how far the group has come."""
        if isinstance(message, Early):
            self._arrived[group] = message.number + 1
            self._early.append(DueEarly(message.passed, group, message))
            return
        if isinstance(message, Passed):
            if self._groups is not None:
                self._passed.setdefault(group, []).append(message)
            return
        self._following[group] = message.emission + 1
        for late in (False, True):
            rows = np.flatnonzero(message.late == late)
            for end in np.unique(message.ends[rows]).tolist():
                if not late:
                    self._latest[group] = max(self._latest.get(group, NEVER), end)
                at = max(end, self._latest.get(group, NEVER)) if late else end
                which = rows[message.ends[rows] == end]
                self._waiting.append(Due(at, late, group, message, which))

    def ready(self) -> list[Due | DueEarly]:
        """The windows, and the early events, that can be decided now, in their order."""
        if self._groups is None:
            return self._take(FOREVER)
        if len(self._passed) < self._groups:
            return []
        return self._take(min(map(self._come, self._passed)))

    def rest(self) -> list[Due | DueEarly]:
        """All others, in their order: the input has ended."""
        return self._take(FOREVER)

    def _come(self, group: str) -> int:
        """How far a group has come, with all its emissions."""
        passed = self._passed[group]
        following, arrived = self._following.get(group, 0), self._arrived.get(group, 0)

        def has_come(said: Passed) -> bool:
            return said.emissions <= following and said.arrived <= arrived

        while len(passed) > 1 and has_come(passed[1]):
            del passed[0]
        return passed[0].watermark if passed and has_come(passed[0]) else NEVER

    def _take(self, limit: int) -> list[Due | DueEarly]:
        taken = sorted(
            (due for due in self._waiting if due.at <= limit),
            key=lambda due: (due.at, due.late, due.group, due.judged.emission),
        )
        early = sorted(
            (due for due in self._early if due.at <= limit),
            key=lambda due: (due.at, due.group, due.early.number),
        )
        self._waiting = [due for due in self._waiting if due.at > limit]
        self._early = [due for due in self._early if due.at > limit]
        return sorted([*taken, *early], key=lambda due: (due.at, isinstance(due, DueEarly)))
