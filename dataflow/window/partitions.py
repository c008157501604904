"""How far one partition of the source has come.

All times are integers: microseconds since the Unix epoch, UTC.
"""

import numpy as np

from dataflow.clock import NEVER
from dataflow.items.arrays import Int64s

#: A jump is confirmed when there are this many more events beyond it than before it. Each jump that is
#: refuted doubles the number for the next jump, up to ``MOST_CONFIRMATIONS``: a clock that is wrong again and
#: again must not be believed.
CONFIRMATIONS, MOST_CONFIRMATIONS = 3, 96


class PartitionTime:
    """The largest event time of one partition, moved by confirmed events only.

    An event that is more than ``jump_us`` ahead of ``newest`` begins a *jump*. The cause is either a gap in
    the stream, or a bad clock; the events that follow show which. Events beyond the jump confirm it, events
    before it refute it. ``newest`` is ``NEVER`` before the first event.
    """

    __slots__ = ("_beyond", "_jump", "_needed", "newest")

    def __init__(
        self, newest: int = NEVER, jump: int = 0, beyond: int = 0, needed: int = CONFIRMATIONS
    ) -> None:
        self.newest = newest
        #: The lowest event time beyond the jump, and how many more events are beyond the jump than before it.
        self._jump, self._beyond = jump, beyond
        #: How many more events beyond than before confirm the jump.
        self._needed = needed

    def snapshot(self) -> tuple[int, int, int, int]:
        """The arguments that make an equal object."""
        return self.newest, self._jump, self._beyond, self._needed

    def observe(self, ts: Int64s, jump_us: int) -> Int64s:
        """Take in events with times ``ts``, ``(n,)``, in order of arrival; 0 for ``jump_us``: no event jumps.

        Returns ``(n,)``: ``newest`` right after each event.
        """
        if self._has_no_jump(ts, jump_us):
            newest = np.maximum(np.maximum.accumulate(ts), self.newest)
            self.newest = int(newest[-1])
            return newest
        return np.array([self._observe_one(t, jump_us) for t in ts.tolist()], np.int64)

    def _has_no_jump(self, ts: Int64s, jump_us: int) -> bool:
        """Whether no event jumps, and no earlier jump waits to be confirmed."""
        if not jump_us:
            return True
        if self._beyond:
            return False
        first = int(ts[0]) if self.newest == NEVER else self.newest
        if int(ts.max()) <= first + jump_us:
            return True
        before = np.maximum.accumulate(np.concatenate(([first], ts[:-1])))
        return bool((ts <= before + jump_us).all())

    def _observe_one(self, ts: int, jump_us: int) -> int:
        if self.newest == NEVER:
            self.newest = ts
        elif ts <= self.newest + jump_us:
            self.newest = max(self.newest, ts)
            if self._beyond:
                self._beyond -= 1
                if not self._beyond:
                    self._needed = min(2 * self._needed, MOST_CONFIRMATIONS)
        else:
            self._jump = min(self._jump, ts) if self._beyond else ts
            self._beyond += 1
            if self._beyond == self._needed:
                self.newest, self._beyond, self._needed = self._jump, 0, CONFIRMATIONS
        return self.newest
