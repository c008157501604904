"""Compares the windows of the keys of a group with what came before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dataflow import settings
from dataflow.clock import NEVER, micros
from dataflow.drift.blocks import Blocks, cut
from dataflow.drift.clustering import assign, fit
from dataflow.drift.comparison import Sample, beside_reference, beside_window, seed_of
from dataflow.drift.dependence import Dependence, dependence, taught
from dataflow.drift.explained import explained
from dataflow.drift.key_state import Kept, KeyState
from dataflow.drift.rows import Finding
from dataflow.items.drift import Drift, Past, WindowSample
from dataflow.items.judged import Judged
from dataflow.settings import Window

#: Clusters are fitted anew after so many windows, to follow the stream.
_REFIT = 100
#: A reference with fewer events is not compared, and no clusters are fitted on it.
_LEAST_REFERENCE = 100
#: Tests of windows of a key begin at least this part of a window apart, so a key keeps five windows at most.
_APART = 4
#: A key without windows for so many steps makes room for another one.
_IDLE = 24


class Tracker:
    """The windows of a key group. ``keys``: the most keys. ``state`` is what :meth:`snapshot` returned."""

    def __init__(
        self, options: settings.Drift, window: Window, keys: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._options, self._most = options, keys
        self._step = micros(window.step)
        self._is_session = window.kind == "session"
        self._keys = {key: KeyState.of_state(each) for key, each in state["keys"]} if state else {}

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._keys)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"keys": [(key, each.snapshot()) for key, each in self._keys.items()]}

    def take(self, judged: Judged, alarming: float = 1.0) -> tuple[Judged, list[Finding]]:
        """Test the windows of an emission; emissions must come in order. Returns ``judged`` with what was
        found in place of the samples, and what rows say of each window.

        ``alarming``: the highest p-value that may alarm. A window whose lowest p-value is above has a
        p-value above, too, but maybe another one than without ``alarming``, and is not explained.
        """
        tested = [self._take(judged, sample, alarming) for sample in judged.samples]
        explain = min(self._options.alpha, alarming)
        drifts = [
            Drift(each.sample.window, each.tests, each.lowest, *explained(each, self._options.clusters))
            if each.lowest <= explain
            else Drift(each.sample.window, each.tests, each.lowest, "", [])
            for each in tested
            if each.tests
        ]
        return replace(judged, samples=(), drifts=drifts), tested

    def _take(self, judged: Judged, sample: WindowSample, alarming: float) -> Finding:
        key, at = judged.keys[sample.window], sample.window
        start, end = int(judged.starts[at]), int(judged.ends[at])
        found = Finding(key, start, end, sample, "late")
        state = self._keys.get(key)
        if judged.late[at]:
            if state is not None and state.centroids is not None and state.model == judged.model:
                found = replace(found, fitted=state.fitted, now=assign(sample.vectors, state.centroids))
            return found
        if state is None or state.model != judged.model:
            if state is None and not self._has_room(end):
                return replace(found, state="no room")
            state = self._keys[key] = KeyState(judged.model, NEVER, NEVER, NEVER)
        self._pass(state, start, end, len(sample.rows))
        past = sample.past if sample.past and len(sample.past) >= _LEAST_REFERENCE else None
        self._fit(state, key, end, past)
        now = None if state.centroids is None else assign(sample.vectors, state.centroids)
        clusters = np.zeros(len(sample.rows), np.int64) if now is None else now.clusters
        blocks = cut(sample.vectors, clusters, length=self._options.block_rows)
        if start >= state.learnt_to:
            # Windows that share events would make the length look better known than it is.
            state.learn(taught(blocks), end)
        before = max((kept for kept in state.windows if kept.end <= start), key=_by_end, default=None)
        found = replace(found, state="overlaps", fitted=state.fitted, now=now)
        if self._is_session or end - state.tested >= (end - start) // _APART:
            found = self._test(found, state, blocks, before, past, alarming)
            state.windows.append(Kept.of(start, end, state.fitted, blocks))
            state.tested = end
        self._forget(state, start, end)
        return found

    def _has_room(self, end: int) -> bool:
        for key in [key for key, state in self._keys.items() if end - state.end > _IDLE * self._step]:
            del self._keys[key]
        return len(self._keys) < self._most

    def _pass(self, state: KeyState, start: int, end: int, rows: int) -> None:
        """Count the events that are in no window before."""
        state.events += rows * min(end - state.end, end - start) / max(end - start, 1)
        state.end, state.since = end, state.since + 1

    def _forget(self, state: KeyState, start: int, end: int) -> None:
        """Remove the windows that no later window will be compared with: a later one has ended before the
        next window starts.
        """
        following = end if self._is_session else start + self._step
        over = [kept.end for kept in state.windows if kept.end <= following]
        state.windows = [kept for kept in state.windows if kept.end >= max(over, default=NEVER)]

    def _fit(self, state: KeyState, key: str, end: int, past: Past | None) -> None:
        if past is None or (state.fitted and state.since < _REFIT):
            return
        state.centroids = fit(past.vectors, self._options.clusters, seed_of(key, end))
        state.fitted, state.since = state.fitted + 1, 0

    def _test(
        self,
        found: Finding,
        state: KeyState,
        now: Blocks,
        before: Kept | None,
        past: Past | None,
        alarming: float,
    ) -> Finding:
        rows = self._options.block_rows
        blocks = Dependence(rows, 1.0) if rows else dependence(state.learnt, now.length)
        seed = seed_of(found.key, found.end)
        beside, same = None, False
        if before is not None:
            same = bool(state.fitted) and before.fitted == state.fitted
            pair = (before.blocks, now) if same else (_one_cluster(before.blocks), _one_cluster(now))
            beside = beside_window(*pair, blocks, seed=seed, alarming=alarming)
        reference = None
        if past is not None and state.centroids is not None:
            reference = beside_reference(
                Sample(past.pool, state.known.of(past, state.centroids), past.rows),
                now,
                blocks,
                seed=seed,
                alarming=alarming,
                events=state.events,
            )
        tested = replace(
            found,
            state="tested" if beside or reference else "learning",
            before_end=before.end if before is not None and beside else None,
            beside=beside,
            beside_clusters=same,
            reference=reference,
        )
        if tested.lowest <= alarming < 1:
            # The words of an alert depend on all p-values.
            return self._test(found, state, now, before, past, 1.0)
        return tested


def _one_cluster(blocks: Blocks) -> Blocks:
    """The blocks without their clusters, which those of another window cannot be compared with."""
    return blocks._replace(clusters=np.zeros(1, np.int64), members=blocks.counts[:, None])


def _by_end(kept: Kept) -> int:
    return kept.end
