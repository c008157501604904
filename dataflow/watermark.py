"""The watermark of one key: how far event time has come, from the data alone.

It is the smallest, over the source partitions seen for the key, of (largest event time seen - delay).
It never moves back. A partition that has not spoken for the key holds nothing back, as a key may live
in one partition only; unless it is *expected* to speak: then the watermark waits for it. A partition
that has been silent for ``idle_timeout`` of wall clock is left out; when all are, the watermark moves
on with the wall clock, so that the last windows close.
All times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

#: Before any event. Far from the ends of int64, so that sums with durations cannot overflow.
NEVER = -(1 << 62)


class Watermark:
    """The watermark over the partitions of one key.

    The times of last arrival are not part of the state: a process that was down for longer than
    ``idle_us`` must not find all its partitions idle when it comes back.
    """

    def __init__(
        self, delay_us: int, idle_us: int | None, now_us: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._delay = delay_us
        self._idle = idle_us
        self.value: int = state["value"] if state else NEVER
        self._newest: dict[str, int] = dict(state["newest"]) if state else {}
        #: The largest event time seen, of any partition.
        self.highest: int = state["highest"] if state else NEVER
        self._arrived = dict.fromkeys(self._newest, now_us)

    def snapshot(self) -> dict[str, Any]:
        return {"value": self.value, "newest": dict(self._newest), "highest": self.highest}

    def expect(self, partitions: Iterable[str], now_us: int) -> None:
        """Wait for these partitions to speak, or to be silent for ``idle_us`` from now."""
        for name in partitions:
            self._arrived.setdefault(name, now_us)

    def observe(self, ts: Int64s, partitions: npt.NDArray[np.int32], names: list[str], now_us: int) -> Int64s:
        """Take in events in their order of arrival; the watermark right after each of them.

        ``ts``: ``(n,)`` event times. ``partitions``: ``(n,)`` indices into ``names``.
        Returns ``(n,)``, never decreasing, at least :attr:`value` as it was before.
        """
        for name in names:
            self._arrived[name] = now_us
        rest = [self._newest.get(p, NEVER) for p in self._active(now_us) if p not in names]
        lowest = np.full(len(ts), min(rest, default=-NEVER))
        for code, name in enumerate(names):
            here = ts if len(names) == 1 else np.where(partitions == code, ts, NEVER)
            newest = np.maximum(np.maximum.accumulate(here), self._newest.get(name, NEVER))
            # A partition that has not spoken yet holds nothing back.
            np.minimum(lowest, np.where(newest == NEVER, lowest, newest), out=lowest)
            self._newest[name] = int(newest[-1])
        self.highest = max(self.highest, int(ts.max()))
        after = np.maximum.accumulate(np.maximum(lowest - self._delay, self.value))
        self.value = int(after[-1])
        return after

    def foresee(self, partition: str, newest: int, now_us: int) -> int:
        """Where the watermark will be when a partition has spoken whose newest event this is."""
        rest = [self._newest.get(p, NEVER) for p in self._active(now_us) if p != partition]
        lowest = min([max(newest, self._newest.get(partition, NEVER)), *rest])
        return max(lowest - self._delay, self.value)

    def advance(self, partition: str, newest: int, value: int, now_us: int) -> None:
        """Take in a partition's events, the newest of which this is; ``value`` is what was foreseen."""
        self._arrived[partition] = now_us
        self._newest[partition] = max(newest, self._newest.get(partition, NEVER))
        self.highest = max(newest, self.highest)
        self.value = value

    def tick(self, now_us: int) -> None:
        """Let the wall clock pass: leave out idle partitions, move on when all are idle."""
        if self._idle is None or not self._newest:
            return
        if active := self._active(now_us):
            candidate = min(self._newest.get(p, NEVER) for p in active) - self._delay
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

    def _active(self, now_us: int) -> list[str]:
        if self._idle is None:
            return list(self._arrived)
        return [p for p, at in self._arrived.items() if now_us - at < self._idle]
