"""Where the watermark is right before each event: one watermark for all keys, or one for each key.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from dataflow import settings
from dataflow.clock import micros
from dataflow.items.arrays import Int64s
from dataflow.window.assigner import Events
from dataflow.window.group import Key
from dataflow.window.messages import Stamp
from dataflow.window.split import by_number
from dataflow.window.watermark import KeyWatermark


class Observed(NamedTuple):
    """``before``: ``(n,)`` the watermark right before each event. ``moved``: by scope, where it is now."""

    before: Int64s
    moved: Mapping[Key, int]


class Clocks(Protocol):
    """The watermarks of a key group."""

    def observe(self, stamp: Stamp, events: Events, now_us: int) -> Observed:
        """Move the watermarks by events, which arrive at ``now_us``."""

    def tick(self, now_us: int, stalled_us: int) -> Mapping[Key, int]:
        """Let the wall clock move the watermarks. Returns where they are now, by scope.

        ``stalled_us``: how long the process stood still before this call.
        """

    def finish(self, key: Key, value: int) -> None:
        """Move the watermark of a key to ``value`` or above: a finite input has ended."""

    def snapshot(self) -> Any:
        """The state as plain data."""


class StreamClock:
    """The watermark of the stream, which all keys share. The stamps bring it, so there is no state."""

    def observe(self, stamp: Stamp, events: Events, now_us: int) -> Observed:
        return Observed(stamp.watermark[:-1], {None: int(stamp.watermark[-1])})

    def tick(self, now_us: int, stalled_us: int) -> Mapping[Key, int]:
        return {}

    def finish(self, key: Key, value: int) -> None:
        """Nothing is left to do."""

    def snapshot(self) -> None:
        """``None``: there is no state."""


class KeyClocks:
    """A watermark for each key. A key that has no rows is remembered for ``window.remember``."""

    def __init__(self, options: settings.Window, now_us: int, state: Any = None) -> None:
        self._delay, self._remember = micros(options.delay), micros(options.remember)
        self._idle = micros(options.idle_timeout) if options.idle_timeout else None
        self._keys: dict[Key, KeyWatermark] = {key: KeyWatermark(now_us, s) for key, s in state or ()}
        #: When events of each key last arrived.
        self._arrived: dict[Key, int] = dict.fromkeys(self._keys, now_us)

    def observe(self, stamp: Stamp, events: Events, now_us: int) -> Observed:
        assert stamp.run is not None
        assert stamp.confirmed is not None
        before = np.empty(len(events.ts), np.int64)
        moved: dict[Key, int] = {}
        for code, indices in by_number(events.codes):
            key = events.names[code]
            self._arrived[key] = now_us
            watermark = self._keys.get(key)
            if watermark is None:
                watermark = self._keys[key] = KeyWatermark(now_us)
            if self._idle is not None:
                watermark.arrive(stamp.run.partition, now_us, self._idle)
            confirmed = stamp.confirmed[indices].tolist()
            before[indices] = watermark.observe(confirmed, stamp.run.partition, stamp.partitions, self._delay)
            moved[key] = watermark.value
        return Observed(before, moved)

    def tick(self, now_us: int, stalled_us: int) -> Mapping[Key, int]:
        if self._idle is None:
            return {}
        for watermark in self._keys.values():
            watermark.stalled(stalled_us)
            watermark.tick(now_us, self._delay, self._idle)
        return {key: watermark.value for key, watermark in self._keys.items()}

    def finish(self, key: Key, value: int) -> None:
        watermark = self._keys[key]
        watermark.value = max(watermark.value, value)

    def forget(self, now_us: int, with_rows: Container[Key]) -> list[Key]:
        """Forget keys that have no rows and had no events for ``window.remember``. Returns these keys."""
        old = [k for k, at in self._arrived.items() if now_us - at >= self._remember and k not in with_rows]
        for key in old:
            del self._keys[key], self._arrived[key]
        return old

    def snapshot(self) -> list[tuple[Key, Any]]:
        return [(key, watermark.snapshot()) for key, watermark in self._keys.items()]
