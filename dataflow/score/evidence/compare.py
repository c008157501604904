"""Compares the events of a key group with the references of their keys."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.clock import NEVER
from dataflow.errors import LostRowsError
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.early import Early
from dataflow.items.judged import Judged
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.items.marks import Marked
from dataflow.items.schemas import EVIDENCE, EXPLANATION
from dataflow.score.evidence.early import EarlyEvents
from dataflow.score.evidence.explain import column, explain
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.for_drift import pasts, window_samples
from dataflow.score.evidence.judge import Evidence, judge
from dataflow.score.evidence.messages import Candidates, Placed, PlacedArrived, Recalled
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.pool import Pool
from dataflow.score.evidence.recalls import Recalls
from dataflow.score.evidence.reference import Reference
from dataflow.score.evidence.references import References
from dataflow.score.evidence.standing_out import judged, to_explain
from dataflow.settings import Alert, Score


class Compared(NamedTuple):
    """What an emission is found to be.

    ``scores``: its rows, with evidence; ``None``: it has none. ``judged``: which of them stand out.
    """

    scores: Marked | None
    judged: Judged


class Comparison:
    """The references of the keys of a group. ``quarantine_us``: how long a suspect event waits.
    ``step_us``: the time from one window to the next. ``pooled``:
    whether a key without enough events is compared with the events of all keys; all keys must have the same
    windows. ``pinned``: the events that are members in place of sampled events, and then there is no pool;
    ``None``: none are. ``alert``: the settings of alerts. ``likeness``: what people marked. ``drift_rows``:
    windows with so many events are for the drift stage; ``None``: there is no drift stage.

    ``state`` is what :meth:`snapshot` returned. It says which events wait. The events themselves come from
    the shelves, and what was computed from them is computed again.
    """

    def __init__(
        self,
        options: Score,
        alert: Alert,
        quarantine_us: int,
        step_us: int,
        *,
        pooled: bool,
        pinned: Pinned | None = None,
        likeness: Likeness = UNMARKED,
        drift_rows: int | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {"model": None, "end": NEVER, "recalls": None, "early": None}
        self._options, self._alert, self._quarantine_us = options, alert, quarantine_us
        self._likeness, self._drift_rows = likeness, drift_rows
        self._pooled = pooled and pinned is None
        self._references = References(options, pinned)
        self._pool = Pool(options.reference_rows, self._references)
        #: The latest end of a window, to which events of the pool are released.
        self._end: int = state["end"]
        self._model: str | None = state["model"]
        #: Messages that wait for shelves, and the shelves that came.
        self._held: list[Placed | PlacedArrived] = []
        self._recalls = Recalls(options, state["recalls"])
        self._early = EarlyEvents(options, alert.least_anomaly, step_us, likeness, state["early"])

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Raises ``LostRowsError`` if a shelf did not come."""
        if self._held or self._recalls:
            raise LostRowsError(
                "the state has lost rows: a shelf of a reference did not come; restore a backup of the "
                "recovery store, or start with an empty one; please report it"
            )
        return {
            "model": self._model,
            "end": self._end,
            "recalls": self._recalls.snapshot(self._references),
            "early": self._early.snapshot(),
        }

    def take(self, message: Placed | PlacedArrived | Recalled) -> Iterator[Compared | Early]:
        """Process a message. Gives what all emissions, and events that have come, are found to be that can be
        compared now.
        """
        if isinstance(message, Recalled):
            self._recalls.add(message)
        else:
            self._held.append(message)
        while self._held and self._is_ready(self._held[0]):
            placed = self._held.pop(0)
            if isinstance(placed, PlacedArrived):
                references = None if placed.away else self._references
                yield self._early.judge(placed.arrived, references, self._model)
                continue
            if placed.candidates.keys:
                yield self._compare(placed)
            else:
                nothing = placed.candidates
                yield Compared(None, judged(nothing, nothing.scored.rows, (), self._alert.least_anomaly))
            if placed.caps:
                self._references.shrink(placed.caps)
                self._pool.forget()

    def _is_ready(self, placed: Placed | PlacedArrived) -> bool:
        model = placed.model or self._model
        if placed.recalled is None or model is None:
            return True
        if not self._recalls.have(placed.number, placed.recalled):
            return False
        self._forget(model)
        shelved = self._recalls.take(placed.number, model)
        if shelved is not None:
            rows = np.arange(len(shelved.events))
            self._references.enter(
                shelved.keys, shelved.bounds, rows, shelved.events, shelved.released, model
            )
        return True

    def _forget(self, model: str | None) -> None:
        """Forget the references. If events of them wait, this is known when the shelves come."""
        self._recalls.note(self._references)
        self._model = model
        self._references.forget()
        self._pool.forget()

    def _compare(self, placed: Placed) -> Compared:
        candidates = placed.candidates
        self._end = max(self._end, int(candidates.events.ends.max()))
        found, for_drift = _Found.nothing(candidates), {}
        if self._drift_rows is not None:
            for_drift = pasts(candidates, {} if placed.away else self._references.large, self._drift_rows)
        if placed.away:
            # The shelves have all sampled events, those of this emission too.
            self._forget(candidates.model)
        else:
            self._find(candidates, found)
            self._enter(placed, found.evidence)
        marked = _with_evidence(candidates, found.evidence)
        if self._options.explain is not None:
            wanted = found.evidence.anomaly >= self._options.explain
            texts = [each if is_so else None for each, is_so in zip(found.explanations, wanted, strict=True)]
            at = marked.rows.schema.get_field_index(EXPLANATION.name)
            marked = marked.with_rows(marked.rows.set_column(at, EXPLANATION, column(texts)))
        said = judged(candidates, marked.rows, found.explanations, self._alert.least_anomaly)
        return Compared(marked, replace(said, samples=window_samples(candidates, marked.rows, for_drift)))

    def _find(self, candidates: Candidates, found: "_Found") -> None:
        """Compare the events with the references of their keys, or with the pool."""
        events, is_unknown = candidates.events, np.ones(len(candidates.keys), np.bool_)
        for place, (key, first, last) in enumerate(candidates.segments()):
            reference = self._references.of(key, self._model, events)
            if reference is not None:
                end = int(events.ends[first])
                is_unknown[place] = not self._judge(reference, key, events, slice(first, last), end, found)
        if self._pooled and is_unknown.any():
            self._borrow(candidates, is_unknown, found)

    def _judge(
        self,
        reference: Reference,
        key: str | None,
        events: Features,
        which: slice | Int64s,
        end: int,
        found: "_Found",
    ) -> bool:
        """Compare the events at ``which`` with a reference. Returns whether the reference knows enough.

        ``key``: that of all events of the reference; ``None``: they are of several keys.
        """
        mine = events.take(which)
        reference.is_real = partial(self._likeness.real, key, end, self._model)
        evidence = judge(reference, mine, int(mine.starts[0]), end, self._options)
        if evidence is None:
            return False
        found.evidence.put(which, evidence)
        every = np.arange(len(events))[which]
        wanted = to_explain(evidence.anomaly, found.keys[every], mine.forms, self._alert.least_anomaly)
        if self._options.explain is not None:
            wanted |= evidence.anomaly >= self._options.explain
        rows = np.flatnonzero(wanted)
        if len(rows):
            for row, nearest in zip(every[rows].tolist(), reference.nearest(mine.take(rows)), strict=True):
                found.explanations[row] = explain(events.texts[row], nearest)
        return True

    def _borrow(self, candidates: Candidates, is_unknown: Bools, found: "_Found") -> None:
        """Compare the events of keys whose references know too little with the pool."""
        unknown = {key for key, is_so in zip(candidates.keys, is_unknown.tolist(), strict=True) if is_so}
        if len(self._references) <= 1 and unknown >= self._references.large.keys():
            # The pool would be the reference of this key.
            return
        rows = np.flatnonzero(np.repeat(is_unknown, np.diff(candidates.offsets)))
        pool = self._pool.reference(candidates.events)
        # All keys have the same window. But other keys had later ones, so events may have been released.
        self._judge(pool, None, candidates.events, rows, self._end, found)

    def _enter(self, placed: Placed, evidence: Evidence) -> None:
        """Add the sampled events to the events of their keys."""
        candidates = placed.candidates
        released = np.where(evidence.suspect, candidates.events.ends + self._quarantine_us, 0)
        rows = np.flatnonzero(placed.sampled)
        bounds = rows.searchsorted(candidates.offsets).tolist()
        self._references.enter(candidates.keys, bounds, rows, candidates.events, released, self._model)
        self._pool.enter(candidates.events, placed.sampled, released)


class _Found(NamedTuple):
    """What was found out about the ``n`` events of an emission; ``None``: an event has no explanation.

    ``keys``: ``(n,)`` int64, the number of the key of each.
    """

    evidence: Evidence
    explanations: list[dict[str, object] | None]
    keys: Int64s

    @staticmethod
    def nothing(candidates: Candidates) -> "_Found":
        n, sizes = len(candidates.events), np.diff(candidates.offsets)
        return _Found(Evidence.unknown(n), [None] * n, np.repeat(np.arange(len(sizes)), sizes))


def _with_evidence(candidates: Candidates, evidence: Evidence) -> Marked:
    rows = candidates.scored.rows
    columns = {name: getattr(evidence, name) for name in ("novelty", "surge", "rarity", "anomaly")}
    columns["p_value"] = 10.0 ** -columns["anomaly"]
    for field in EVIDENCE:
        at = rows.schema.get_field_index(field.name)
        rows = rows.set_column(at, field, pa.array(columns[field.name], from_pandas=True))
    return candidates.scored.with_rows(rows)
