"""How far the source's partitions have come, whatever the keys: one ordered point that all batches pass.

A key does not hear of partitions that have no events of it, and the partitions reach it by different ways.
So the stream passes one :class:`Progress` before the keys part, and each batch takes along where all
partitions stood right after it (:class:`Stamped`). A key counts on that for the partitions that it has not
heard itself.

Here, too, one bad clock is kept from moving event time (:class:`_Partition`).
All times are integers: microseconds since the Unix epoch, UTC.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.clock import NEVER
from dataflow.items.arrays import Int64s
from dataflow.items.rows import event_times

#: The format of the state.
FORMAT = 1

#: So many more events beyond a jump than before it confirm it. Each jump that was refuted doubles the number
#: for the next, up to ``MOST_CONFIRMATIONS``: a clock that is wrong again and again must not be believed.
CONFIRMATIONS, MOST_CONFIRMATIONS = 3, 96

#: Between two calls no more time than this was spent listening; during the rest the process stood still.
_LISTENING_US = 2_000_000


class Stamped(NamedTuple):
    """Rows of one partition, and what was known when they passed.

    ``progress``: event times that partitions have come to, with their names, the lowest first; ``NEVER`` for
    one that is expected but not heard yet. ``moves``: ``(n,)`` the times that may move a watermark; ``None``:
    the rows' own. ``arrival_us``: see ``Marked``.
    """

    rows: pa.RecordBatch
    progress: tuple[tuple[int, str], ...]
    moves: Int64s | None = None
    arrival_us: int | None = None


class _Partition:
    """One partition's newest event time, moved by confirmed events only.

    An event that is more than ``jump_us`` ahead of ``newest`` is a jump: a gap in the stream, or a bad clock.
    The events that follow tell which: those beyond confirm it, those before it refute it.
    """

    __slots__ = ("beyond", "jump", "needed", "newest")

    def __init__(
        self, newest: int = NEVER, jump: int = 0, beyond: int = 0, needed: int = CONFIRMATIONS
    ) -> None:
        self.newest = newest
        #: The lowest event time of the jump, and how many events more are beyond than before it.
        self.jump, self.beyond = jump, beyond
        self.needed = needed

    def state(self) -> tuple[int, int, int, int]:
        return self.newest, self.jump, self.beyond, self.needed

    def take(self, ts: Int64s, jump_us: int) -> Int64s | None:
        """Take in event times, ``(n,)``; those that may move a watermark, ``None`` if they are the same."""
        if self._orderly(ts, jump_us):
            self.newest = max(self.newest, int(ts.max()))
            return None
        newest = [self._one(t, jump_us) for t in ts.tolist()]
        return np.minimum(ts, newest)

    def _orderly(self, ts: Int64s, jump_us: int) -> bool:
        """Whether there is no jump, nor one that waits to be confirmed."""
        if not jump_us:
            return True
        if self.beyond:
            return False
        first = int(ts[0]) if self.newest == NEVER else self.newest
        if int(ts.max()) <= first + jump_us:
            return True
        before = np.maximum.accumulate(np.concatenate(([first], ts[:-1])))
        return bool((ts <= before + jump_us).all())

    def _one(self, ts: int, jump_us: int) -> int:
        """Take in one event; the newest event time after it."""
        if self.newest == NEVER:
            self.newest = ts
        elif ts <= self.newest + jump_us:
            self.newest = max(self.newest, ts)
            if self.beyond:
                self.beyond -= 1
                if not self.beyond:
                    self.needed = min(2 * self.needed, MOST_CONFIRMATIONS)
        else:
            self.jump = min(self.jump, ts) if self.beyond else ts
            self.beyond += 1
            if self.beyond == self.needed:
                self.newest, self.beyond, self.needed = self.jump, 0, CONFIRMATIONS
        return self.newest


class Progress:
    """All partitions. ``jump_us``: how far an event may be ahead, 0: any; ``idle_us``: how long a partition
    may be silent until it is left out, ``None``: any. ``expected``: partitions that have records to give.

    How long each was silent is not part of the state: downtime is not silence.
    """

    def __init__(
        self,
        jump_us: int,
        idle_us: int | None,
        expected: Iterable[str],
        now_us: int,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        if state and state["format"] != FORMAT:
            raise ValueError(f"progress state has format {state['format']}, this version reads {FORMAT}")
        self._jump, self._idle = jump_us, idle_us
        known = state["partitions"] if state else ()
        self._partitions = {name: _Partition(*numbers) for name, numbers in known}
        for name in expected:
            self._partitions.setdefault(name, _Partition())
        #: The time spent listening, and when each partition was last heard on that clock.
        self._listened, self._now = 0, now_us
        self._heard = dict.fromkeys(self._partitions, 0)

    def snapshot(self) -> dict[str, Any]:
        """The state, as plain data."""
        partitions = [(name, partition.state()) for name, partition in self._partitions.items()]
        return {"format": FORMAT, "partitions": partitions}

    def take(self, rows: pa.RecordBatch, now_us: int) -> list[Stamped]:
        """Take in events in their order of arrival; the same, in runs of one partition each."""
        self.listen(now_us)
        partition = rows.column("partition")
        names = partition.unique().to_pylist()
        if len(names) <= 1:
            return [self._take(rows, name) for name in names]
        codes = partition.dictionary_encode().indices.to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(rows)]
        return [
            self._take(rows.slice(start, stop - start), partition[start].as_py())
            for start, stop in itertools.pairwise(bounds)
        ]

    def listen(self, now_us: int) -> None:
        """The wall clock is at ``now_us``; called every second or so."""
        self._listened += min(max(now_us - self._now, 0), _LISTENING_US)
        self._now = now_us

    def _take(self, rows: pa.RecordBatch, name: str) -> Stamped:
        self._heard[name] = self._listened
        moves = self._partitions.setdefault(name, _Partition()).take(event_times(rows), self._jump)
        active = [
            (partition.newest, name)
            for name, partition in self._partitions.items()
            if self._idle is None or self._listened - self._heard[name] < self._idle
        ]
        return Stamped(rows, tuple(sorted(active)), moves)


def by_key(stamped: Stamped) -> list[tuple[str, Stamped]]:
    """The rows of each ``key``, in their order of arrival."""
    keys = stamped.rows.column("key")
    names = keys.unique().to_pylist()
    if len(names) == 1:
        return [(names[0], stamped)]
    # unique() and dictionary_encode() number the keys alike: in the order of their first rows.
    codes = keys.dictionary_encode().indices.to_numpy()
    order = codes.argsort(kind="stable")
    bounds = [*(codes[order].searchsorted(range(len(names)))).tolist(), len(codes)]
    rows = stamped.rows.take(pa.array(order))
    moves = None if stamped.moves is None else stamped.moves[order]
    return [
        (
            name,
            stamped._replace(
                rows=rows.slice(start, stop - start), moves=None if moves is None else moves[start:stop]
            ),
        )
        for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True)
    ]
