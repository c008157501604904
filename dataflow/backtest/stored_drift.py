"""Tests recorded windows for drift as the score stage and the drift stage do.

Rows have no references, but they have all events, and a reference is a sample of the events that depends on
their ids and times alone. So the samples are drawn again. Two things are not: references that shrank
(``score.reference_bytes``) are taken whole, and after a change of the model they begin anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.recorded import Recorded
from dataflow.backtest.stored_windows import WINDOW, Windows, one, order_of, place_of
from dataflow.clock import micros
from dataflow.drift.tracker import Tracker
from dataflow.items.arrays import Int64s
from dataflow.items.drift import Past, WindowSample
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.hashes import hashes
from dataflow.items.judged import Judged
from dataflow.score.evidence.members import Doubles, priorities, sampled
from dataflow.settings import Settings

#: The columns of events that the drift stage reads.
_READ = ["id", "ts", "text", "revision", "score", "anomaly"]


@dataclass(frozen=True)
class _Events:
    """The ``n`` rows of keys that have a large window, by window, time and id. ``windows``: ``(n,)``, the
    number of the window of each. ``rows``: the columns that the drift stage reads.
    """

    windows: Int64s
    rows: pa.RecordBatch
    vectors: Fixed
    priority: Doubles
    ts: Int64s


class StoredDrift:
    """Tests recorded windows, which must come in their order. Reads the rows of keys that have a window of
    ``drift.least_rows`` events or more, and keeps them. Raises ``SourceError``.
    """

    def __init__(self, recorded: Recorded, settings: Settings, windows: Windows) -> None:
        self._settings, self._windows = settings, windows
        least = settings.drift.least_rows if settings.drift.enabled else np.iinfo(np.int64).max
        self._is_large = windows.sizes >= least
        self._keys = pc.unique(windows.keys.filter(pa.array(self._is_large)))
        self._events = _read(recorded, settings, windows, self._keys) if len(self._keys) else None
        self._trackers: dict[int, Tracker] = {}
        #: Key group -> the model of its last windows, and key -> the events that are sampled.
        self._models: dict[int, str | None] = {}
        self._samples: dict[int, dict[str, Int64s]] = {}

    def tested(self, judged: Judged, first: int) -> Judged:
        """``judged`` with what the tests say of its windows, of which ``first`` is the number of the first.
        All are of one key group.
        """
        if self._events is None:
            return judged
        options, window = self._settings.drift, self._settings.window
        group = int(self._windows.groups[first])
        if group not in self._trackers:
            self._trackers[group] = Tracker(options, window, max(options.keys // window.key_groups, 1))
        if self._models.get(group) != judged.model:
            self._models[group], self._samples[group] = judged.model, {}
        samples = list(self._of_emission(judged, first, self._samples[group], self._events))
        return self._trackers[group].take(replace(judged, samples=samples))[0]

    def _of_emission(
        self, judged: Judged, first: int, samples: dict[str, Int64s], events: _Events
    ) -> Iterator[WindowSample]:
        bounds = events.windows.searchsorted(np.arange(first, first + len(judged.keys) + 1))
        for at, key in enumerate(judged.keys):
            rows = np.arange(bounds[at], bounds[at + 1])
            if not len(rows):
                continue
            sample = samples.get(key, np.empty(0, np.int64))
            if self._is_large[first + at]:
                past = self._past(sample, int(judged.starts[at]), events)
                some = events.rows.slice(rows[0], len(rows))
                yield WindowSample(at, some, events.vectors[rows[0] : rows[-1] + 1], past)
            samples[key] = self._entered(sample, rows, judged, at, events)

    def _past(self, sample: Int64s, start: int, events: _Events) -> Past | None:
        """The sampled events that are older than ``start``; ``None``: the key has no reference yet."""
        least = 0 if self._settings.score.pinned else self._settings.score.reference_least
        if len(sample) < least:
            return None
        older = sample[events.ts[sample] < start]
        order = older[np.lexsort((events.priority[older], events.ts[older]))]
        texts = events.rows.column("text").take(pa.array(order)).to_numpy(zero_copy_only=False)
        return Past(events.vectors[order], texts)

    def _entered(self, sample: Int64s, rows: Int64s, judged: Judged, at: int, events: _Events) -> Int64s:
        """The sample of a key after its window ``rows``. It loses events when the next window is judged, as
        :meth:`Reference.prepare` removes them, so it may have more than ``score.reference_rows``.
        """
        most, window = self._settings.score.reference_rows, self._settings.window
        is_session = window.kind == "session"
        last = int(judged.ends[at]) if is_session else int(judged.starts[at]) + micros(window.step)
        left = rows[events.ts[rows] < last]
        sample = sample[sampled(events.priority[sample], most)]
        every = np.concatenate([sample, left])
        stays = sampled(events.priority[every], most)
        return np.concatenate([sample, left[stays[len(sample) :]]])


def _read(recorded: Recorded, settings: Settings, windows: Windows, keys: pa.Array) -> _Events:
    tables, vectors = [], []
    names = list(dict.fromkeys([*WINDOW, *_READ]))
    for batch in recorded.batches([*names, "embedding"]):
        mine = batch.filter(pc.is_in(batch.column("key"), keys))
        if len(mine):
            vectors.append(to_fixed(embeddings(mine)))
            tables.append(mine.select(names))
    rows = pa.Table.from_batches(tables)
    place = place_of(rows, windows)
    order = order_of(rows, place, windows)
    found = rows.select(_READ).take(pa.array(order))
    events = pa.RecordBatch.from_arrays([one(column) for column in found.columns], names=_READ)
    ts = events.column("ts").cast(pa.int64()).to_numpy()
    return _Events(
        windows=place[order],
        rows=events,
        vectors=np.concatenate(vectors)[order],
        priority=priorities(hashes(events.column("id")), ts, micros(settings.score.half_life)),
        ts=ts,
    )
