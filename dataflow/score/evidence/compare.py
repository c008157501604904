"""Compares the events of a key group with the references of their keys."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.errors import LostRowsError
from dataflow.items.arrays import Int64s
from dataflow.items.marks import Marked
from dataflow.items.schemas import EVIDENCE, EXPLANATION
from dataflow.score.evidence.explain import column, explain
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import Evidence, judge
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.messages import Candidates, Placed, Recalled
from dataflow.score.evidence.pinned import Pinned
from dataflow.score.evidence.reference import Reference
from dataflow.settings import Score


class Comparison:
    """The references of the keys of a group. ``quarantine_us``: how long a suspect event waits. ``pinned``:
    the events that are members in place of sampled events; ``None``: none are.

    ``state`` is what :meth:`snapshot` returned. It says which events wait. The events themselves come from
    the shelves, and what was computed from them is computed again.
    """

    def __init__(
        self,
        options: Score,
        quarantine_us: int,
        state: Mapping[str, Any] | None = None,
        pinned: Pinned | None = None,
    ) -> None:
        state = state or {"model": None, "waiting": ()}
        self._options, self._quarantine_us, self._pinned = options, quarantine_us, pinned
        self._references: dict[str, Reference] = {}
        self._model: str | None = state["model"]
        #: After a restart, by key: the priorities of the events that wait, ascending, and until when they do.
        self._waiting: dict[str, tuple[Doubles, Int64s]] = {
            key: (np.frombuffer(priority), np.frombuffer(released, np.int64))
            for key, priority, released in state["waiting"]
        }
        #: Messages that wait for shelves, and the shelves that came.
        self._held: list[Placed] = []
        self._recalled: dict[int, list[pa.RecordBatch]] = {}

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Raises ``LostRowsError`` if a shelf did not come."""
        if self._held or self._recalled:
            raise LostRowsError(
                "the state has lost rows: a shelf of a reference did not come; restore a backup of the "
                "recovery store, or start with an empty one; please report it"
            )
        waiting = [(key, *reference.waiting()) for key, reference in self._references.items()]
        packed = [(key, events.tobytes(), until.tobytes()) for key, events, until in waiting if len(events)]
        return {"model": self._model, "waiting": packed}

    def take(self, message: Placed | Recalled) -> Iterator[Marked]:
        """Process a message. Gives the rows of all emissions that can be compared now, with evidence."""
        if isinstance(message, Recalled):
            self._recalled[message.shelf] = message.rows
        else:
            self._held.append(message)
        while self._held and self._is_ready(self._held[0]):
            placed = self._held.pop(0)
            if placed.candidates.keys:
                yield self._compare(placed)

    def _is_ready(self, placed: Placed) -> bool:
        if placed.recalled is None:
            return True
        if not set(placed.recalled) <= set(self._recalled):
            return False
        for _, rows in sorted(self._recalled.items()):
            for batch in rows:
                self._load(batch)
        self._recalled, self._waiting = {}, {}
        return True

    def _load(self, rows: pa.RecordBatch) -> None:
        events, keys = Features.of(rows), rows.column("key").dictionary_encode()
        codes = keys.indices.to_numpy()
        for code, key in enumerate(keys.dictionary.to_pylist()):
            mine = events.take(codes == code)
            released = np.zeros(len(mine), np.int64)
            if key in self._waiting:
                priority, until = self._waiting[key]
                place = np.minimum(priority.searchsorted(mine.priority), len(priority) - 1)
                released = np.where(priority[place] == mine.priority, until[place], 0)
            self._reference(key, mine).enter(mine, released)

    def _compare(self, placed: Placed) -> Marked:
        candidates = placed.candidates
        if candidates.model != self._model:
            # Embeddings of two models cannot be compared.
            self._model, self._references = candidates.model, {}
        found: list[Evidence] = []
        explanations: list[dict[str, object] | None] = []
        for key, first, last in candidates.segments():
            events, which = candidates.events.take(slice(first, last)), placed.sampled[first:last]
            start, end = int(events.starts[0]), int(events.ends[0])
            reference = self._reference(key, events)
            evidence = judge(reference, events, start, end, self._options)
            found.append(evidence)
            explanations += self._explain(reference, events, evidence)
            if which.any():
                released = np.where(evidence.suspect[which], end + self._quarantine_us, 0)
                reference.enter(events.take(which), released)
        marked = _with_evidence(candidates, found)
        if self._options.explain is None:
            return marked
        at = marked.rows.schema.get_field_index(EXPLANATION.name)
        return marked.with_rows(marked.rows.set_column(at, EXPLANATION, column(explanations)))

    def _explain(
        self, reference: Reference, events: Features, evidence: Evidence
    ) -> list[dict[str, object] | None]:
        """The explanation of each event; ``None`` for an event that is not anomalous enough."""
        explained: list[dict[str, object] | None] = [None] * len(events)
        if self._options.explain is not None:
            which = np.flatnonzero(evidence.anomaly >= self._options.explain)
            if len(which):
                for row, nearest in zip(which.tolist(), reference.nearest(events.take(which)), strict=True):
                    explained[row] = explain(events.texts[row], nearest)
        return explained

    def _reference(self, key: str, events: Features) -> Reference:
        if key not in self._references:
            options = self._options
            self._references[key] = Reference(
                events.vectors.shape[1],
                rows=options.reference_rows,
                neighbours=options.novelty_neighbours,
                with_window=options.novelty_window,
            )
        reference = self._references[key]
        if self._pinned and self._model:
            members = self._pinned.of(key, self._model)
            if members is not None and members is not reference.pinned:
                reference.pin(members)
        return reference


def _with_evidence(candidates: Candidates, found: list[Evidence]) -> Marked:
    rows = candidates.scored.rows
    columns = {
        name: np.concatenate([getattr(evidence, name) for evidence in found])
        for name in ("novelty", "surge", "rarity", "anomaly")
    }
    columns["p_value"] = 10.0 ** -columns["anomaly"]
    for field in EVIDENCE:
        at = rows.schema.get_field_index(field.name)
        rows = rows.set_column(at, field, pa.array(columns[field.name], from_pandas=True))
    return candidates.scored.with_rows(rows)
