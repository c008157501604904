"""The watermark of one key: the time up to which the key's events are taken to have arrived.

The watermark comes from the data. It is the smallest, over the source's partitions, of (largest event time
seen - delay), and it never moves back. What counts as seen differs between partitions:

- In a partition that has given events of the key, only these events count.
- In any other partition, the events of all keys count: how far the partition had come when the key's last
  events passed :mod:`dataflow.window.progress`. A partition that has records to give, but has given none yet,
  holds the watermark back.

With ``window.idle_timeout``, the wall clock has a say, too:

- A partition that has been silent for the key for this long counts like any other partition.
- When all partitions have been silent for the key for this long, the watermark moves on with the wall clock,
  so that the last windows close.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dataflow.clock import NEVER
from dataflow.items.arrays import Int64s


class Watermark:
    """The watermark of one key over the partitions of the source.

    ``delay_us``: ``window.delay``. ``idle_us``: ``window.idle_timeout``, ``None`` if that is off. ``state``
    is what :meth:`snapshot` returned.

    For each batch, the caller calls :meth:`arrive` and then either :meth:`observe`, or :meth:`after` and
    :meth:`advance`.

    The times of the last arrivals are not part of the state. A process that was down for longer than
    ``idle_us`` must not find all its partitions idle when it starts again.
    """

    __slots__ = ("_arrived", "_delay", "_idle", "_newest", "_others", "highest", "value")

    def __init__(
        self, delay_us: int, idle_us: int | None, now_us: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._delay = delay_us
        self._idle = idle_us
        self.value: int = state["value"] if state else NEVER
        #: The largest event time seen, in any partition.
        self.highest: int = state["highest"] if state else NEVER
        #: The largest event time of the key, in each partition that has given events of the key.
        self._newest: dict[str, int] = dict(state["newest"]) if state else {}
        #: How far the slowest of the other partitions had come when the last events of the key arrived.
        self._others: int = state["others"] if state else -NEVER
        #: The wall-clock time at which events of the key last arrived from each partition.
        self._arrived = dict.fromkeys(self._newest, now_us)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "value": self.value,
            "newest": dict(self._newest),
            "others": self._others,
            "highest": self.highest,
        }

    def arrive(self, partition: str, progress: Iterable[tuple[int, str]], now_us: int) -> None:
        """Note that events of ``partition`` arrive at ``now_us``; their times are given in the next call.

        ``progress``: how far each partition has come, with the partition's name, the lowest first.
        """
        if self._idle is not None:
            active = self._active(now_us)
            # A partition that is silent for this key counts with the events of all keys.
            self._arrived = {name: self._arrived[name] for name in active}
            self._newest = {name: self._newest[name] for name in active}
        self._arrived[partition] = now_us
        self._newest.setdefault(partition, NEVER)
        self._others = next((at for at, name in progress if name not in self._newest), -NEVER)

    def observe(self, ts: Int64s, partition: str) -> Int64s:
        """Move the watermark by events of the partition that was named to :meth:`arrive`.

        ``ts``: ``(n,)`` their event times in order of arrival. Returns ``(n,)``, the watermark right after
        each event: it never decreases, and it is never below ``value`` before the call.
        """
        newest = np.maximum(np.maximum.accumulate(ts), self._newest[partition])
        lowest = np.minimum(newest, self._slowest_but(partition))
        after = np.maximum.accumulate(np.maximum(lowest - self._delay, self.value))
        self.advance(partition, int(newest[-1]), int(after[-1]))
        return after

    def after(self, partition: str, newest: int) -> int:
        """The watermark after events up to ``newest`` from the partition that was named to :meth:`arrive`."""
        lowest = min(max(newest, self._newest[partition]), self._slowest_but(partition))
        return max(lowest - self._delay, self.value)

    def advance(self, partition: str, newest: int, value: int) -> None:
        """Move the watermark to ``value``, which :meth:`after` returned for ``partition`` and ``newest``."""
        self._newest[partition] = max(newest, self._newest[partition])
        self.highest = max(newest, self.highest)
        self.value = value

    def tick(self, now_us: int) -> None:
        """Move the watermark by the wall clock: leave out idle partitions, and move on when all are idle."""
        if self._idle is None or not self._newest:
            return
        if active := self._active(now_us):
            candidate = min([self._others, *(self._newest[p] for p in active)]) - self._delay
        else:
            idle_since = max(self._arrived.values()) + self._idle
            candidate = self.highest - self._delay + (now_us - idle_since)
        self.value = max(self.value, candidate)

    def next_tick(self, target_us: int, now_us: int) -> int | None:
        """When to call :meth:`tick` next so that the watermark reaches ``target_us`` without further events.

        Returns a wall-clock time, or ``None`` if the watermark cannot reach ``target_us`` without events.
        """
        if self._idle is None or not self._newest:
            return None
        if active := self._active(now_us):
            return min(self._arrived[p] for p in active) + self._idle
        idle_since = max(self._arrived.values()) + self._idle
        return max(idle_since + target_us + self._delay - self.highest, now_us)

    def stalled(self, by_us: int) -> None:
        """Do not count the last ``by_us`` as silence of the partitions: the process itself stood still."""
        self._arrived = {p: at + by_us for p, at in self._arrived.items()}

    def advance_to(self, value: int) -> None:
        """Move the watermark to ``value`` or above: a finite input has ended."""
        self.value = max(self.value, value)

    def resume(self, value: int, highest: int) -> None:
        """Go on from the numbers that a key without rows remembers; all partitions count as silent."""
        self.value, self.highest = value, highest

    def _slowest_but(self, partition: str) -> int:
        """How far the slowest partition has come, except ``partition``."""
        return min([self._others, *(at for name, at in self._newest.items() if name != partition)])

    def _active(self, now_us: int) -> list[str]:
        """The partitions that have given events of the key and are not idle."""
        if self._idle is None:
            return list(self._arrived)
        return [p for p, at in self._arrived.items() if now_us - at < self._idle]
