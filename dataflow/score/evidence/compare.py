"""Compares the events of a key group with the references of their keys."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.clock import NEVER
from dataflow.errors import LostRowsError
from dataflow.items.arrays import Int64s
from dataflow.items.marks import Marked
from dataflow.items.schemas import EVIDENCE, EXPLANATION
from dataflow.score.evidence.explain import column, explain
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import Evidence, judge
from dataflow.score.evidence.messages import Candidates, Placed, Recalled
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.pool import Pool
from dataflow.score.evidence.recalls import Recalls
from dataflow.score.evidence.reference import Reference
from dataflow.settings import Score


class Comparison:
    """The references of the keys of a group. ``quarantine_us``: how long a suspect event waits. ``pooled``:
    whether a key without enough events is compared with the events of all keys; all keys must have the same
    windows. ``pinned``: the events that are members in place of sampled events, and then there is no pool;
    ``None``: none are.

    ``state`` is what :meth:`snapshot` returned. It says which events wait. The events themselves come from
    the shelves, and what was computed from them is computed again.
    """

    def __init__(
        self,
        options: Score,
        quarantine_us: int,
        *,
        pooled: bool,
        pinned: Pinned | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {"model": None, "end": NEVER, "recalls": None}
        self._options, self._quarantine_us = options, quarantine_us
        self._pooled, self._pinned = pooled and pinned is None, pinned
        self._pool = Pool(options.reference_rows, self._empty)
        #: The latest end of a window, to which events of the pool are released.
        self._end: int = state["end"]
        self._references: dict[str, Reference] = {}
        self._model: str | None = state["model"]
        #: Messages that wait for shelves, and the shelves that came.
        self._held: list[Placed] = []
        self._recalls = Recalls(options, state["recalls"])

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
        }

    def take(self, message: Placed | Recalled) -> Iterator[Marked]:
        """Process a message. Gives the rows of all emissions that can be compared now, with evidence."""
        if isinstance(message, Recalled):
            self._recalls.add(message)
        else:
            self._held.append(message)
        while self._held and self._is_ready(self._held[0]):
            placed = self._held.pop(0)
            if placed.candidates.keys:
                yield self._put_away(placed) if placed.away else self._compare(placed)
            if not placed.away:
                self._shrink(placed.caps)

    def _is_ready(self, placed: Placed) -> bool:
        model, emission = placed.candidates.model or self._model, placed.candidates.emission
        if placed.recalled is None or model is None:
            return True
        if not self._recalls.have(emission, placed.recalled):
            return False
        self._forget(model)
        for key, events, released in self._recalls.take(emission, model):
            self._reference(key, events).enter(events, released)
        return True

    def _forget(self, model: str | None) -> None:
        """Forget the references. If events of them wait, this is known when the shelves come."""
        self._recalls.note(self._references)
        self._model, self._references = model, {}
        self._pool.forget()

    def _put_away(self, placed: Placed) -> Marked:
        """Compare nothing. The shelves have all sampled events, those of this emission too."""
        candidates = placed.candidates
        self._forget(candidates.model)
        self._end = max(self._end, int(candidates.events.ends.max()))
        return _with_evidence(candidates, Evidence.unknown(len(candidates.events)))

    def _compare(self, placed: Placed) -> Marked:
        candidates = placed.candidates
        self._end = max(self._end, int(candidates.events.ends.max()))
        found = _Found.nothing(len(candidates.events))
        unknown: list[tuple[str, int, int]] = []
        for key, first, last in candidates.segments():
            which, end = slice(first, last), int(candidates.events.ends[first])
            reference = self._reference(key, candidates.events)
            if not self._judge(reference, candidates.events, which, end, found):
                unknown.append((key, first, last))
        if self._pooled and unknown:
            self._borrow(candidates.events, unknown, found)
        self._enter(placed, found.evidence)
        marked = _with_evidence(candidates, found.evidence)
        if self._options.explain is None:
            return marked
        at = marked.rows.schema.get_field_index(EXPLANATION.name)
        return marked.with_rows(marked.rows.set_column(at, EXPLANATION, column(found.explanations)))

    def _judge(
        self, reference: Reference, events: Features, which: slice | Int64s, end: int, found: "_Found"
    ) -> bool:
        """Compare the events at ``which`` with a reference. Returns whether the reference knows enough."""
        mine = events.take(which)
        evidence = judge(reference, mine, int(mine.starts[0]), end, self._options)
        if evidence is None:
            return False
        found.evidence.put(which, evidence)
        if self._options.explain is not None:
            rows = np.flatnonzero(evidence.anomaly >= self._options.explain)
            if len(rows):
                every = np.arange(len(events))[which][rows].tolist()
                for row, nearest in zip(every, reference.nearest(mine.take(rows)), strict=True):
                    found.explanations[row] = explain(events.texts[row], nearest)
        return True

    def _borrow(self, events: Features, unknown: list[tuple[str, int, int]], found: "_Found") -> None:
        """Compare the events of keys whose references know too little with the pool."""
        if len(self._references) == 1:
            # The pool would be the reference of this key.
            return
        rows = np.concatenate([np.arange(first, last) for _, first, last in unknown])
        # All keys have the same window. But other keys had later ones, so events may have been released.
        self._judge(self._pool.reference(self._references, events), events, rows, self._end, found)

    def _enter(self, placed: Placed, evidence: Evidence) -> None:
        """Add the sampled events to the references of their keys."""
        events = placed.candidates.events
        released = np.where(evidence.suspect, events.ends + self._quarantine_us, 0)
        for key, first, last in placed.candidates.segments():
            which = first + np.flatnonzero(placed.sampled[first:last])
            if len(which):
                self._reference(key, events).enter(events.take(which), released[which])
        self._pool.enter(events, placed.sampled, released)

    def _shrink(self, caps: Mapping[str, float]) -> None:
        for key, cap in caps.items():
            events, released = self._references.pop(key).up_to(cap)
            if len(events):
                self._reference(key, events).enter(events, released)
        if caps:
            self._pool.forget()

    def _reference(self, key: str, events: Features) -> Reference:
        if key not in self._references:
            self._references[key] = self._empty(events)
        reference = self._references[key]
        if self._pinned and self._model:
            members = self._pinned.of(key, self._model)
            if members is not None and members is not reference.pinned:
                reference.pin(members)
        return reference

    def _empty(self, events: Features) -> Reference:
        options = self._options
        return Reference(
            events.vectors.shape[1],
            rows=options.reference_rows,
            neighbours=options.novelty_neighbours,
            with_window=options.novelty_window,
        )


class _Found(NamedTuple):
    """What was found out about the ``n`` events of an emission; ``None``: an event has no explanation."""

    evidence: Evidence
    explanations: list[dict[str, object] | None]

    @staticmethod
    def nothing(n: int) -> "_Found":
        return _Found(Evidence.unknown(n), [None] * n)


def _with_evidence(candidates: Candidates, evidence: Evidence) -> Marked:
    rows = candidates.scored.rows
    columns = {name: getattr(evidence, name) for name in ("novelty", "surge", "rarity", "anomaly")}
    columns["p_value"] = 10.0 ** -columns["anomaly"]
    for field in EVIDENCE:
        at = rows.schema.get_field_index(field.name)
        rows = rows.set_column(at, field, pa.array(columns[field.name], from_pandas=True))
    return candidates.scored.with_rows(rows)
