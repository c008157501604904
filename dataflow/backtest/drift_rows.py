"""The recorded rows that tests of drift need: those of keys with a window that is large enough."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.stored_windows import WINDOW, Windows, one, order_of, place_of
from dataflow.clock import micros
from dataflow.items.arrays import Int64s
from dataflow.items.drift import Past, WindowSample
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.hashes import hashes
from dataflow.score.evidence.members import Doubles, priorities
from dataflow.settings import Settings

#: The columns of events that the drift stage reads.
_READ = ["id", "ts", "text", "revision", "score", "anomaly"]


@dataclass(frozen=True)
class DriftEvents:
    """``n`` events by window, time and id. ``windows``: ``(n,)``, the number of the window of each.
    ``priority``, ``ts``: ``(n,)``. ``rank``: ``(n,)``, the place of each by time and priority. ``by_rank``:
    ``(n,)``, the event of each rank. ``order``: ``(n,)``, the place of each in ``rows`` and ``vectors``,
    which are in the order in which the rows were read.
    """

    windows: Int64s
    priority: Doubles
    ts: Int64s
    rank: Int64s
    by_rank: Int64s
    order: Int64s
    rows: pa.RecordBatch
    vectors: Fixed

    def sample(self, window: int, some: Int64s, past: Int64s | None) -> WindowSample:
        """The events ``some``, which window number ``window`` has, beside the events ``past``; their order
        does not matter.
        """
        places = self.order[some]
        first, last = int(places[0]), int(places[-1]) + 1
        if (np.diff(places) == 1).all():
            rows, vectors = self.rows.slice(first, last - first), self.vectors[first:last]
        else:
            rows, vectors = self.rows.take(pa.array(places)), self.vectors[places]
        return WindowSample(window, rows, vectors, None if past is None else self._past(past))

    def _past(self, events: Int64s) -> Past:
        in_order = self.by_rank[np.sort(self.rank[events])]
        return Past(self.vectors, self.rows.column("text"), self.order[in_order])


class DriftRows:
    """Gathers the rows of keys that have a window of ``drift.least_rows`` events or more."""

    def __init__(self, settings: Settings, windows: Windows) -> None:
        self._windows, self._half_life_us = windows, micros(settings.score.half_life)
        least = settings.drift.least_rows if settings.drift.enabled else np.iinfo(np.int64).max
        #: ``(w,)``: which windows are large enough.
        self.is_large = windows.sizes >= least
        self._keys = pc.unique(windows.keys.filter(pa.array(self.is_large)))
        #: The columns that :meth:`add` reads.
        self.columns = [*dict.fromkeys([*WINDOW, *_READ]), "embedding"] if len(self._keys) else []
        self._rows: list[pa.RecordBatch] = []
        #: With room for all rows. Memory that nobody writes to costs nothing.
        self._vectors = np.empty((0, 0), np.int16)
        self._most, self._count = windows.total, 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Take recorded rows, which have :attr:`columns`."""
        if not self.columns:
            return
        mine, is_mine = rows.select(self.columns), pc.is_in(rows.column("key"), self._keys)
        if not pc.all(is_mine).as_py():
            mine = mine.filter(is_mine)
        if len(mine):
            found = embeddings(mine)
            if not self._count:
                self._vectors = np.empty((self._most, found.shape[1]), np.int16)
            to_fixed(found, out=self._vectors[self._count : self._count + len(found)])
            self._count += len(found)
            self._rows.append(mine.select(self.columns[:-1]))

    def events(self) -> DriftEvents | None:
        """The rows of the last revisions of windows; ``None``: there are none."""
        if not self._rows:
            return None
        rows = pa.Table.from_batches(self._rows)
        place = place_of(rows, self._windows)
        order = order_of(rows, place, self._windows)
        events = pa.RecordBatch.from_arrays([one(rows[name]) for name in _READ], names=_READ)
        ts = events.column("ts").cast(pa.int64()).to_numpy()
        priority = priorities(hashes(events.column("id")), ts, self._half_life_us)[order]
        by_rank = np.lexsort((priority, ts[order]))
        rank = np.empty_like(by_rank)
        rank[by_rank] = np.arange(len(rank))
        return DriftEvents(
            windows=place[order],
            priority=priority,
            ts=ts[order],
            rank=rank,
            by_rank=by_rank,
            order=order,
            rows=events,
            vectors=self._vectors[: self._count],
        )
