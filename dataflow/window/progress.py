"""The watermark of the stream, and how far each partition has come, with the events of all keys.

The watermark is the smallest, over the partitions of the source, of (largest event time seen - delay). It
never moves back. It comes from the data: a partition that has records to give, but has given none yet, holds
it back. With ``window.idle_timeout``, the wall clock has a say, too: a partition that has been silent for so
long is left out; when all are, the watermark moves on with the wall clock, so that the last windows close.

All runs of rows pass one :class:`Progress`, which sends a :class:`~dataflow.window.messages.Stamp` for them
to their key groups. The order in which they pass is the one order of events that all keys and workers share.
Only the event times pass here. The rows go straight to their groups, and wait there for their stamp.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dataflow import settings
from dataflow.clock import NEVER, micros
from dataflow.items.arrays import Int64s
from dataflow.window.kinds import grids
from dataflow.window.messages import Stamp, Times
from dataflow.window.partitions import PartitionTime
from dataflow.window.split import by_number
from dataflow.window.state_format import check_format

#: The format of the state.
FORMAT = 2

#: If more time than this passes between two calls, the process stood still for the rest of the time.
_LONGEST_STEP_US = 2_000_000
#: Groups without rows learn of the watermark this many times in the time from one window to the next.
_MARKS = 10

#: A stamp, and the number of the key group that it is for.
ForGroup = tuple[int, Stamp]


class Progress:
    """How far all partitions have come.

    ``expected``: the partitions that have records to give. ``state`` is what :meth:`snapshot` returned. The
    stamps that a call returns must reach each group in this order.

    How long each partition has been silent is not part of the state: downtime is not silence.
    """

    def __init__(
        self,
        options: settings.Window,
        expected: Iterable[str],
        now_us: int,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        check_format(state, FORMAT, "progress")
        jump = options.delay if options.max_jump is None else options.max_jump
        self._jump, self._delay = micros(jump), micros(options.delay)
        self._idle = micros(options.idle_timeout) if options.idle_timeout else None
        self._of_keys, self._groups = options.watermark == "key", options.key_groups
        self._grids = grids(options, _MARKS)
        known = state["partitions"] if state else ()
        self._partitions = {name: PartitionTime(*numbers) for name, numbers in known}
        for name in expected:
            self._partitions.setdefault(name, PartitionTime())
        self.watermark: int = state["watermark"] if state else NEVER
        #: The watermark that all groups know.
        self._marked = self.watermark
        self._now = now_us
        #: How many events moved the watermark less than their time says, since this object was made.
        self.jumps = 0
        #: How long this process has run, without the times when it stood still.
        self._running = 0
        #: The value of ``_running`` when events last arrived from each partition.
        self._arrived = dict.fromkeys(self._partitions, 0)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        partitions = [(name, partition.snapshot()) for name, partition in self._partitions.items()]
        return {"format": FORMAT, "watermark": self.watermark, "partitions": partitions}

    def stamp(self, times: Times, now_us: int) -> list[ForGroup]:
        """Stamp a run: one stamp for each group with rows in it, and a mark for the others if it is due."""
        self.pass_time(now_us)
        name = times.run.partition
        self._arrived[name] = self._running
        newest = self._partitions.setdefault(name, PartitionTime()).observe(times.ts, self._jump)
        self.jumps += int(np.count_nonzero(newest < times.ts))
        before = self._move(newest, name)
        confirmed = np.minimum(times.ts, newest) if self._of_keys else None
        partitions = self._active_partitions() if self._of_keys else ()
        stamps = [
            (
                group,
                Stamp(
                    times.run,
                    np.append(before[rows], self.watermark),
                    None if confirmed is None else confirmed[rows],
                    partitions,
                ),
            )
            for group, rows in by_number(times.groups)
        ]
        return stamps + self._marks({group for group, _ in stamps})

    def tick(self, now_us: int) -> list[ForGroup]:
        """Let the wall clock move the watermark. To be called every second or so if there is a timeout."""
        self.pass_time(now_us)
        if self._idle is None or self.newest == NEVER:
            return []
        if active := self._active():
            candidate = min(self._partitions[name].newest for name in active)
        else:
            idle_since = max(self._arrived.values()) + self._idle
            candidate = max(p.newest for p in self._partitions.values()) + self._running - idle_since
        self.watermark = max(self.watermark, candidate - self._delay)
        return self._marks(set())

    def finish(self, last_end: int) -> list[ForGroup]:
        """Close the windows of all groups: the input has ended. ``last_end``: the end of the last window.

        With a watermark for each key, the groups do that by themselves.
        """
        if self._of_keys:
            return []
        # A revised window is emitted only when the watermark moves.
        self.watermark = max(self.watermark + 1, last_end)
        mark = Stamp(None, np.array([self.watermark]))
        return [(group, mark) for group in range(self._groups)]

    @property
    def newest(self) -> int:
        """The largest event time that moved a watermark; ``NEVER`` if there is none."""
        return max((partition.newest for partition in self._partitions.values()), default=NEVER)

    def pass_time(self, now_us: int) -> None:
        """Note that the wall clock is at ``now_us``, without any effect yet."""
        self._running += min(max(now_us - self._now, 0), _LONGEST_STEP_US)
        self._now = now_us

    def _move(self, newest: Int64s, name: str) -> Int64s:
        """Move the watermark by events of partition ``name``.

        ``newest``: ``(n,)`` how far the partition has come right after each. Returns ``(n,)``, the watermark
        right before each.
        """
        others = min(
            (self._partitions[other].newest for other in self._active() if other != name), default=-NEVER
        )
        after = np.maximum(np.minimum(newest, others) - self._delay, self.watermark)
        before = np.append(self.watermark, after[:-1])
        self.watermark = int(after[-1])
        return before

    def _marks(self, stamped: set[int]) -> list[ForGroup]:
        """Stamps without rows for all groups but ``stamped``, if a window may have ended meanwhile."""
        if self._of_keys or all(
            (self.watermark - at) // step == (self._marked - at) // step for at, step in self._grids
        ):
            return []
        self._marked = self.watermark
        mark = Stamp(None, np.array([self.watermark]))
        return [(group, mark) for group in range(self._groups) if group not in stamped]

    def _active_partitions(self) -> tuple[tuple[int, str], ...]:
        return tuple(sorted((self._partitions[name].newest, name) for name in self._active()))

    def _active(self) -> list[str]:
        """The partitions that are not idle."""
        if self._idle is None:
            return list(self._partitions)
        return [name for name, at in self._arrived.items() if self._running - at < self._idle]
