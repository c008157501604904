"""Judges events before their windows end."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import FOREVER
from dataflow.items.early import EARLY, Arrived, Early
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.hashes import hashes
from dataflow.items.likeness import Likeness
from dataflow.items.rows import event_times
from dataflow.score.evidence.before import Before
from dataflow.score.evidence.explain import column, explain
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import Evidence, judge
from dataflow.score.evidence.near import FAR, Near
from dataflow.score.evidence.reference import Reference, near_width, reads_near
from dataflow.score.evidence.references import References
from dataflow.settings import Score


class EarlyEvents:
    """Judges the events of a key group as they come.

    An event is judged for the first of its windows that has not ended, beside the events of its key in this
    window that came before the event (:class:`Before`). The reference is that of the first window that has
    not ended. With it count events that came before the last window ended, are older than the window of the
    event, and are not suspect: most of them will be in the reference of this window. So the result depends on
    the order of arrival, but not on the batches. Only keys with a reference of their own are judged.

    ``least``: the lowest ``anomaly`` of an event that stands out. ``step_us``: the time from one window to
    the next. ``state`` is what :meth:`snapshot` returned.
    """

    def __init__(
        self, options: Score, least: float, step_us: int, likeness: Likeness, state: Any = None
    ) -> None:
        self._options, self._least, self._step_us, self._likeness = options, least, step_us, likeness
        self._start: int | None
        self._model: str | None
        self._start, self._model, keys = state or (None, None, ())
        self._width = near_width(options.novelty_neighbours)
        self._before = {key: Before.of_state(each) for key, each in keys}

    def snapshot(self) -> tuple[Any, ...]:
        """The state as plain data."""
        return self._start, self._model, [(key, each.snapshot()) for key, each in self._before.items()]

    def judge(self, arrived: Arrived, references: References | None, model: str | None) -> Early:
        """Judge events that have come. ``references``: ``None`` if their events are being embedded again.
        ``model``: the model and the version of the references; events of another one are not judged.
        """
        self._go_on(arrived.start, model)
        rows, found = arrived.rows, []
        if references is not None and model is not None:
            models = pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")
            is_in_window = pa.array(event_times(rows) >= arrived.start)
            rows = rows.filter(pc.and_(pc.equal(models, model), is_in_window))
            keys = rows.column("key").dictionary_encode()
            for code, key in enumerate(keys.dictionary.to_pylist()):
                mine = rows.filter(pc.equal(keys.indices, code))
                found += self._judge(key, mine, arrived, references, model)
        vectors = [np.empty((0, rows.schema.field("embedding").type.list_size), np.int16)]
        return Early(
            number=arrived.number,
            start=arrived.start,
            end=arrived.end,
            passed=arrived.passed,
            events=pa.concat_batches(
                [pa.RecordBatch.from_pylist([], EARLY), *(events for events, _ in found)]
            ),
            vectors=np.concatenate([*vectors, *(vectors for _, vectors in found)]),
            model=model,
        )

    def _go_on(self, start: int, model: str | None) -> None:
        """Forget what is older than the window that starts at ``start``, and all events of another model."""
        if model != self._model:
            self._before = {}
        elif start != self._start:
            kept = {key: before.since(start) for key, before in self._before.items()}
            self._before = {key: before for key, before in kept.items() if len(before)}
        self._start, self._model = start, model

    def _judge(
        self, key: str, rows: pa.RecordBatch, arrived: Arrived, references: References, model: str
    ) -> list[tuple[pa.RecordBatch, Fixed]]:
        """The events of ``key`` that stand out, and their embeddings; nothing if none does."""
        events = self._features(rows, arrived)
        reference = references.of(key, model, events)
        if reference is None:
            return []
        before = self._before.get(key) or Before.nothing(events)
        events = before.beside(events, _usual_size(reference), reads_near=reads_near(self._options))
        reference.is_real = partial(self._likeness.real, key, arrived.passed, model)
        evidence = judge(reference, events, arrived.start, arrived.end, self._options, before.old)
        if evidence is None:
            evidence = Evidence.unknown(len(events))
        self._before[key] = before.then(events, evidence.suspect)
        which = np.flatnonzero(evidence.anomaly >= self._least)
        if not len(which):
            return []
        columns = [
            *rows.select(EARLY.names[:4]).take(pa.array(which)).columns,
            pa.array(evidence.anomaly[which]),
            _explanations(reference, events.take(which)),
        ]
        return [(pa.RecordBatch.from_arrays(columns, schema=EARLY), events.vectors[which])]

    def _features(self, rows: pa.RecordBatch, arrived: Arrived) -> Features:
        """The events ``rows``, each in the first of its windows that has not ended."""
        n, ts = len(rows), event_times(rows)
        later = np.maximum((ts - arrived.end) // self._step_us + 1, 0)
        return Features(
            vectors=to_fixed(embeddings(rows)),
            near=Near(np.full((n, self._width), FAR, np.int32), np.zeros(n, np.int64)),
            forms=hashes(pc.coalesce(rows.column("masked"), rows.column("text"))),
            alike=np.ones(n, np.int64),
            sizes=np.ones(n, np.int64),
            starts=arrived.start + later * self._step_us,
            # No event at the start of the window or later is a member.
            ends=np.full(n, FOREVER),
            ts=ts,
            # What is judged here enters no sample, and scores are those of whole windows.
            priority=np.zeros(n),
            scores=np.full(n, np.nan),
            texts=rows.column("text").to_numpy(zero_copy_only=False),
        )


def _usual_size(reference: Reference) -> int:
    """How many events the window of an event of the sample has: the median; 0: there are no events."""
    reference.take_in()
    return int(np.median(reference.events.sizes)) if len(reference.events) else 0


def _explanations(reference: Reference, events: Features) -> pa.Array:
    """The explanation of each event. Equal texts are explained once, because a flood may have many."""
    texts, first, place = np.unique(events.texts, return_index=True, return_inverse=True)
    nearest = reference.nearest(events.take(first))
    said = [explain(text, each) for text, each in zip(texts.tolist(), nearest, strict=True)]
    return column([said[number] for number in place.tolist()])
