"""Tests recorded windows for drift as the score stage and the drift stage do.

Rows have no references, but they have all events, and a reference is a sample of the events that depends on
their ids and times alone. So the samples are drawn again. Two things are not: references that shrank
(``score.reference_bytes``) are taken whole, and after a change of the model they begin anew.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dataflow.backtest.alarming import Alarming
from dataflow.backtest.drift_rows import DriftEvents, DriftRows
from dataflow.backtest.stored_windows import Windows
from dataflow.clock import micros
from dataflow.drift.tracker import Tracker
from dataflow.items.arrays import Int64s
from dataflow.items.drift import WindowSample
from dataflow.items.judged import Judged
from dataflow.score.evidence.members import sampled
from dataflow.settings import Settings


class StoredDrift:
    """Tests recorded windows, which must come in their order. ``rows`` has all rows."""

    def __init__(self, settings: Settings, windows: Windows, rows: DriftRows) -> None:
        self._settings, self._windows = settings, windows
        self._is_large, self._events = rows.is_large, rows.events()
        self._trackers: dict[int, Tracker] = {}
        #: Key group -> the model of its last windows, and key -> the events that are sampled.
        self._models: dict[int, str | None] = {}
        self._samples: dict[int, dict[str, Int64s]] = {}
        self._alarming = Alarming(settings)

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
        highest = self._alarming.highest(judged, [sample.window for sample in samples])
        tested, _ = self._trackers[group].take(replace(judged, samples=samples), highest)
        self._alarming.note(tested)
        return tested

    def _of_emission(
        self, judged: Judged, first: int, samples: dict[str, Int64s], events: DriftEvents
    ) -> Iterator[WindowSample]:
        bounds = events.windows.searchsorted(np.arange(first, first + len(judged.keys) + 1))
        for at, key in enumerate(judged.keys):
            rows = np.arange(bounds[at], bounds[at + 1])
            if not len(rows):
                continue
            sample = samples.get(key, np.empty(0, np.int64))
            if self._is_large[first + at]:
                yield events.sample(at, rows, self._past(sample, int(judged.starts[at]), events))
            samples[key] = self._entered(sample, rows, judged, at, events)

    def _past(self, sample: Int64s, start: int, events: DriftEvents) -> Int64s | None:
        """The sampled events that are older than ``start``; ``None``: the key has no reference yet."""
        least = 0 if self._settings.score.pinned else self._settings.score.reference_least
        if len(sample) < least:
            return None
        older: Int64s = sample[events.ts[sample] < start]
        return older

    def _entered(self, sample: Int64s, rows: Int64s, judged: Judged, at: int, events: DriftEvents) -> Int64s:
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
