"""The watermark of each key, for ``window.watermark = key``.

The watermark of a key is the smallest, over the source's partitions, of (largest event time seen - delay),
and it never moves back. What counts as seen differs between partitions:

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

from collections.abc import Iterable, Sequence
from typing import Any

from dataflow.clock import NEVER

#: How far each partition has come, with its name, the lowest time first.
Partitions = Sequence[tuple[int, str]]


class KeyWatermark:
    """The watermark of one key over the partitions of the source.

    ``state`` is what :meth:`snapshot` returned. The times of the last arrivals are not part of the state. A
    process that was down for longer than the timeout must not find all its partitions idle when it starts
    again.
    """

    __slots__ = ("_arrived", "_newest", "_others", "highest", "value")

    def __init__(self, now_us: int, state: Sequence[Any] | None = None) -> None:
        self.value: int
        #: The largest event time seen, in any partition.
        self.highest: int
        #: How far the slowest of the partitions without events of the key has come.
        self._others: int
        self.value, self.highest, self._others, newest = state or (NEVER, NEVER, -NEVER, ())
        #: The largest event time of the key from each partition that gave events of it.
        self._newest: dict[str, int] = dict(newest)
        #: When events of the key last arrived from each partition.
        self._arrived = dict.fromkeys(self._newest, now_us)

    def snapshot(self) -> tuple[Any, ...]:
        """The state as plain data."""
        return self.value, self.highest, self._others, list(self._newest.items())

    def observe(
        self, confirmed: Iterable[int], partition: str, partitions: Partitions, delay_us: int
    ) -> list[int]:
        """Move the watermark by events of a partition, in their order of arrival.

        ``confirmed``: how far each event may move a watermark. ``partitions``: how far each partition has
        come with the events of all keys. Returns the watermark right before each event.
        """
        newest = self._newest.get(partition, NEVER)
        self._newest[partition] = newest
        self._others = next((at for at, name in partitions if name not in self._newest), -NEVER)
        lowest = min([self._others, *(at for name, at in self._newest.items() if name != partition)])
        before, value = [], self.value
        for at in confirmed:
            before.append(value)
            newest = max(newest, at)
            value = max(value, min(newest, lowest) - delay_us)
        self._newest[partition], self.value = newest, value
        self.highest = max(self.highest, newest)
        return before

    def arrive(self, partition: str, now_us: int, idle_us: int) -> None:
        """Note that events of a partition arrive, before they are observed."""
        active = self._active(now_us, idle_us)
        # A partition that is silent for this key counts with the events of all keys.
        self._arrived = {name: self._arrived[name] for name in active} | {partition: now_us}
        self._newest = {name: self._newest[name] for name in active}

    def tick(self, now_us: int, delay_us: int, idle_us: int) -> None:
        """Move the watermark by the wall clock: leave out idle partitions, and move on when all are idle."""
        if active := self._active(now_us, idle_us):
            candidate = min([self._others, *(self._newest[p] for p in active)])
        else:
            idle_since = max(self._arrived.values(), default=now_us) + idle_us
            candidate = self.highest + now_us - idle_since
        self.value = max(self.value, candidate - delay_us)

    def stalled(self, by_us: int) -> None:
        """Do not count the last ``by_us`` as silence of the partitions: the process itself stood still."""
        self._arrived = {name: at + by_us for name, at in self._arrived.items()}

    def _active(self, now_us: int, idle_us: int) -> list[str]:
        """The partitions that have given events of the key and are not idle."""
        return [name for name, at in self._arrived.items() if now_us - at < idle_us]
