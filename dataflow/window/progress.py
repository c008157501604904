"""How far each partition of the source has come, with the events of all keys.

A key does not know of partitions that have no events of it, and batches of different partitions reach the key
over different workers. So all batches pass one :class:`Progress` before they are split by key. There, each
batch is stamped with how far all partitions have come right after it (:class:`Stamped`). The watermark of a
key (:mod:`dataflow.window.watermark`) uses the stamp for the partitions that have no events of the key. The
order in which batches pass is the one order of events that all keys and workers share.

:class:`_Partition` keeps one bad clock from moving event time for all.

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

#: A jump is confirmed when there are this many more events beyond it than before it. Each jump that is
#: refuted doubles the number for the next jump, up to ``MOST_CONFIRMATIONS``: a clock that is wrong again and
#: again must not be believed.
CONFIRMATIONS, MOST_CONFIRMATIONS = 3, 96

#: If more time than this passes between two calls, the process stood still for the rest of the time.
_LONGEST_STEP_US = 2_000_000


class Stamped(NamedTuple):
    """Rows of one partition, and how far all partitions had come right after them.

    ``progress``: for each partition, the event time that it has come to, and its name, the lowest time first;
    ``NEVER`` for a partition that has records to give, but has given none yet. ``confirmed``: ``(n,)`` how
    far each row may move a watermark; ``None``: as far as its own event time. ``arrival_us``: see
    :class:`~dataflow.items.marks.Marked`.
    """

    rows: pa.RecordBatch
    progress: tuple[tuple[int, str], ...]
    confirmed: Int64s | None = None
    arrival_us: int | None = None


class _Partition:
    """The largest event time of one partition, moved by confirmed events only.

    An event that is more than ``jump_us`` ahead of ``newest`` begins a *jump*. The cause is either a gap in
    the stream, or a bad clock; the events that follow show which. Events beyond the jump confirm it, events
    before it refute it.
    """

    __slots__ = ("beyond", "jump", "needed", "newest")

    def __init__(
        self, newest: int = NEVER, jump: int = 0, beyond: int = 0, needed: int = CONFIRMATIONS
    ) -> None:
        self.newest = newest
        #: The lowest event time beyond the jump, and how many more events are beyond the jump than before it.
        self.jump, self.beyond = jump, beyond
        #: How many more events beyond than before confirm the jump.
        self.needed = needed

    def state(self) -> tuple[int, int, int, int]:
        return self.newest, self.jump, self.beyond, self.needed

    def observe(self, ts: Int64s, jump_us: int) -> Int64s | None:
        """Take in events with times ``ts``, ``(n,)``, in order of arrival.

        Returns ``(n,)``, how far each event may move a watermark; ``None``: as far as its own time.
        """
        if self._has_no_jump(ts, jump_us):
            self.newest = max(self.newest, int(ts.max()))
            return None
        newest = [self._observe_one(t, jump_us) for t in ts.tolist()]
        return np.minimum(ts, newest)

    def _has_no_jump(self, ts: Int64s, jump_us: int) -> bool:
        """Whether no event jumps, and no earlier jump waits to be confirmed."""
        if not jump_us:
            return True
        if self.beyond:
            return False
        first = int(ts[0]) if self.newest == NEVER else self.newest
        if int(ts.max()) <= first + jump_us:
            return True
        before = np.maximum.accumulate(np.concatenate(([first], ts[:-1])))
        return bool((ts <= before + jump_us).all())

    def _observe_one(self, ts: int, jump_us: int) -> int:
        """Take in one event; return the largest confirmed event time after it."""
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
    """How far all partitions have come.

    ``jump_us``: how far an event may be ahead of its partition without being a jump; 0: any distance.
    ``idle_us``: a partition that has been silent for this long is left out of the stamps; ``None``: never.
    ``expected``: the partitions that have records to give. ``state`` is what :meth:`snapshot` returned.

    How long each partition has been silent is not part of the state: downtime is not silence.
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
        self._now = now_us
        #: How long this process has run, without the times when it stood still.
        self._running = 0
        #: The value of ``_running`` when events last arrived from each partition.
        self._arrived = dict.fromkeys(self._partitions, 0)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        partitions = [(name, partition.state()) for name, partition in self._partitions.items()]
        return {"format": FORMAT, "partitions": partitions}

    def stamp(self, rows: pa.RecordBatch, now_us: int) -> list[Stamped]:
        """Stamp events, in their order of arrival. They come back cut into runs of one partition each."""
        self.tick(now_us)
        partition = rows.column("partition")
        names = partition.unique().to_pylist()
        if len(names) <= 1:
            return [self._stamp(rows, name) for name in names]
        codes = partition.dictionary_encode().indices.to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(rows)]
        return [
            self._stamp(rows.slice(start, stop - start), partition[start].as_py())
            for start, stop in itertools.pairwise(bounds)
        ]

    def tick(self, now_us: int) -> None:
        """Note that the wall clock is at ``now_us``. To be called every second or so."""
        self._running += min(max(now_us - self._now, 0), _LONGEST_STEP_US)
        self._now = now_us

    def _stamp(self, rows: pa.RecordBatch, name: str) -> Stamped:
        self._arrived[name] = self._running
        partition = self._partitions.setdefault(name, _Partition())
        confirmed = partition.observe(event_times(rows), self._jump)
        active = [
            (partition.newest, name)
            for name, partition in self._partitions.items()
            if self._idle is None or self._running - self._arrived[name] < self._idle
        ]
        return Stamped(rows, tuple(sorted(active)), confirmed)


def by_key(stamped: Stamped) -> list[tuple[str, Stamped]]:
    """Split a stamped batch by the column ``key``. The rows of each key stay in their order of arrival."""
    keys = stamped.rows.column("key")
    names = keys.unique().to_pylist()
    if len(names) == 1:
        return [(names[0], stamped)]
    # unique() and dictionary_encode() number the keys in the same way: by their first rows.
    codes = keys.dictionary_encode().indices.to_numpy()
    order = codes.argsort(kind="stable")
    bounds = [*(codes[order].searchsorted(range(len(names)))).tolist(), len(codes)]
    rows = stamped.rows.take(pa.array(order))
    confirmed = None if stamped.confirmed is None else stamped.confirmed[order]
    return [
        (
            name,
            stamped._replace(
                rows=rows.slice(start, stop - start),
                confirmed=None if confirmed is None else confirmed[start:stop],
            ),
        )
        for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True)
    ]
