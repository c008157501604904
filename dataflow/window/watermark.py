"""The watermark of one key: how far event time has come, from the data alone.

It is the smallest, over the source partitions, of (largest event time seen - delay), and never moves back.
In a partition that has had events of the key, only these count. For each other partition, what counts is
how far it had come, with events of any key, when the key's last events passed
:mod:`dataflow.window.progress`; one that is expected to speak but has not yet holds the watermark back. A
partition that has been silent for ``idle_timeout`` of wall clock is left out; when all are, the watermark
moves on with the wall clock, so that the last windows close.
All times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dataflow.clock import NEVER
from dataflow.items.arrays import Int64s


class Watermark:
    """The watermark over the partitions for one key.

    The times of last arrival are not part of the state: a process that was down for longer than
    ``idle_us`` must not find all its partitions idle when it comes back.
    """

    __slots__ = ("_arrived", "_delay", "_idle", "_newest", "_others", "highest", "value")

    def __init__(
        self, delay_us: int, idle_us: int | None, now_us: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._delay = delay_us
        self._idle = idle_us
        self.value: int = state["value"] if state else NEVER
        #: The newest event time of the key in each partition that has had some.
        self._newest: dict[str, int] = dict(state["newest"]) if state else {}
        #: The lowest that the other partitions had come to when the key was last heard.
        self._others: int = state["others"] if state else -NEVER
        #: The largest event time seen, of any partition.
        self.highest: int = state["highest"] if state else NEVER
        self._arrived = dict.fromkeys(self._newest, now_us)

    def snapshot(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "value": self.value,
            "newest": dict(self._newest),
            "others": self._others,
            "highest": self.highest,
        }

    def hear(self, partition: str, progress: Iterable[tuple[int, str]], now_us: int) -> None:
        """Events of ``partition`` have come. ``progress``: what partitions have come to, the lowest first."""
        if self._idle is not None:
            active = self._active(now_us)
            # For a partition that is silent here, what others hear of it counts.
            self._arrived = {name: self._arrived[name] for name in active}
            self._newest = {name: self._newest[name] for name in active}
        self._arrived[partition] = now_us
        self._newest.setdefault(partition, NEVER)
        self._others = next((at for at, name in progress if name not in self._newest), -NEVER)

    def observe(self, ts: Int64s, partition: str) -> Int64s:
        """Take in events of the partition just heard, in their order; the watermark right after each.

        ``ts``: ``(n,)`` event times. Returns ``(n,)``, never decreasing, at least ``value`` as it was
        before.
        """
        newest = np.maximum(np.maximum.accumulate(ts), self._newest[partition])
        lowest = np.minimum(newest, self._rest(partition))
        after = np.maximum.accumulate(np.maximum(lowest - self._delay, self.value))
        self.advance(partition, int(newest[-1]), int(after[-1]))
        return after

    def foresee(self, partition: str, newest: int) -> int:
        """Where the watermark will be once the partition just heard has given events up to ``newest``."""
        lowest = min(max(newest, self._newest[partition]), self._rest(partition))
        return max(lowest - self._delay, self.value)

    def advance(self, partition: str, newest: int, value: int) -> None:
        """Take in the events of the partition just heard; ``value`` is what was foreseen."""
        self._newest[partition] = max(newest, self._newest[partition])
        self.highest = max(newest, self.highest)
        self.value = value

    def tick(self, now_us: int) -> None:
        """Let the wall clock pass: leave out idle partitions, move on when all are idle."""
        if self._idle is None or not self._newest:
            return
        if active := self._active(now_us):
            candidate = min([self._others, *(self._newest[p] for p in active)]) - self._delay
        else:
            silent_since = max(self._arrived.values()) + self._idle
            candidate = self.highest - self._delay + (now_us - silent_since)
        self.value = max(self.value, candidate)

    def stalled(self, by_us: int) -> None:
        """The process itself stood still for ``by_us``: nobody was silent meanwhile."""
        self._arrived = {p: at + by_us for p, at in self._arrived.items()}

    def reaches(self, target_us: int, now_us: int) -> int | None:
        """The wall-clock time at which :meth:`tick` should run next for the watermark to get to
        ``target_us`` if no event comes; ``None``: it will not get there without events.
        """
        if self._idle is None or not self._newest:
            return None
        if active := self._active(now_us):
            return min(self._arrived[p] for p in active) + self._idle
        silent_since = max(self._arrived.values()) + self._idle
        return max(silent_since + target_us + self._delay - self.highest, now_us)

    def advance_to(self, value: int) -> None:
        """Move on to ``value`` at least: the end of a finite input."""
        self.value = max(self.value, value)

    def resume(self, value: int, highest: int) -> None:
        """Take up where a watermark stood whose partitions had all been silent."""
        self.value, self.highest = value, highest

    def _rest(self, partition: str) -> int:
        """The lowest of all but one partition."""
        return min([self._others, *(at for name, at in self._newest.items() if name != partition)])

    def _active(self, now_us: int) -> list[str]:
        if self._idle is None:
            return list(self._arrived)
        return [p for p, at in self._arrived.items() if now_us - at < self._idle]
