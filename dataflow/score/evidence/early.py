"""Judges events before their windows end."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.items.early import EARLY, Arrived, Early
from dataflow.items.fixed import Fixed, squared, to_fixed
from dataflow.items.hashes import Hashes, hashes
from dataflow.items.likeness import Likeness
from dataflow.items.rows import event_times
from dataflow.items.schemas import embeddings
from dataflow.score.evidence.explain import column, explain
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.judge import judge
from dataflow.score.evidence.near import FAR, Near, smallest
from dataflow.score.evidence.reference import Reference, near_width, reads_near
from dataflow.score.evidence.references import References
from dataflow.settings import Score

#: An event is judged beside at most so many events that came before it.
MOST_BEFORE = 1000
_NOTHING = pa.RecordBatch.from_pylist([], EARLY)


@dataclass(frozen=True)
class _Events:
    """``n`` events of a key in order of arrival. ``vectors``: ``(n, dim)``. ``forms``, ``ts``: ``(n,)``."""

    vectors: Fixed
    forms: Hashes
    ts: Int64s

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, which: Any) -> "_Events":
        return _Events(self.vectors[which], self.forms[which], self.ts[which])

    def then(self, later: "_Events") -> "_Events":
        return _Events(*map(np.concatenate, zip(vars(self).values(), vars(later).values(), strict=True)))


class EarlyEvents:
    """Judges the events of a key group as they come.

    An event is judged beside the reference of its key for the first window that has not ended, and beside the
    events of this window that came before the event, the last ``MOST_BEFORE`` of them. So the result depends
    on the order of arrival, but not on the batches. Only keys with a reference of their own are judged.

    ``least``: the lowest ``anomaly`` of an event that stands out. ``state`` is what :meth:`snapshot`
    returned.
    """

    def __init__(self, options: Score, least: float, likeness: Likeness, state: Any = None) -> None:
        self._options, self._least, self._likeness = options, least, likeness
        self._start: int | None
        self._model: str | None
        self._start, self._model, keys = state or (None, None, ())
        self._width = near_width(options.novelty_neighbours)
        #: By key: the events of the window that have come.
        self._before = {
            key: _Events(
                np.frombuffer(vectors, np.int16).reshape(-1, dim),
                np.frombuffer(forms, np.uint64),
                np.frombuffer(ts, np.int64),
            )
            for key, dim, vectors, forms, ts in keys
        }

    def snapshot(self) -> tuple[Any, ...]:
        """The state as plain data."""
        keys = [
            (key, events.vectors.shape[1], *(values.tobytes() for values in vars(events).values()))
            for key, events in self._before.items()
        ]
        return self._start, self._model, keys

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
            events=pa.concat_batches([_NOTHING, *(events for events, _ in found)]),
            vectors=np.concatenate([*vectors, *(vectors for _, vectors in found)]),
            model=model,
        )

    def _go_on(self, start: int, model: str | None) -> None:
        """Forget what is older than the window that starts at ``start``, and all events of another model."""
        if model != self._model:
            self._before = {}
        elif start != self._start:
            kept = {key: events.take(events.ts >= start) for key, events in self._before.items()}
            self._before = {key: events for key, events in kept.items() if len(events)}
        self._start, self._model = start, model

    def _judge(
        self, key: str, rows: pa.RecordBatch, arrived: Arrived, references: References, model: str
    ) -> list[tuple[pa.RecordBatch, Fixed]]:
        """The events of ``key`` that stand out, and their embeddings; nothing if none can be judged."""
        texts, vectors = rows.column("text"), to_fixed(embeddings(rows))
        some = Features.none(vectors.shape[1], self._width)
        reference = references.of(key, model, some)
        if reference is None:
            return []
        new = _Events(vectors, hashes(pc.coalesce(rows.column("masked"), texts)), event_times(rows))
        every = self._before.get(key, new.take(slice(0))).then(new)
        self._before[key] = every.take(slice(-MOST_BEFORE, None))
        events = self._features(every, len(new), arrived, texts)
        reference.is_real = partial(self._likeness.real, key, arrived.passed, model)
        evidence = judge(reference, events, arrived.start, arrived.end, self._options)
        if evidence is None:
            return []
        which = np.flatnonzero(evidence.anomaly >= self._least)
        if not len(which):
            return []
        columns = [
            *rows.select(EARLY.names[:4]).take(pa.array(which)).columns,
            pa.array(evidence.anomaly[which]),
            _explanations(reference, events.take(which)),
        ]
        return [(pa.RecordBatch.from_arrays(columns, schema=EARLY), vectors[which])]

    def _features(self, every: _Events, new: int, arrived: Arrived, texts: pa.Array) -> Features:
        """The last ``new`` of the events ``every``, each beside the events before it."""
        last = every.take(slice(len(every) - new, None))
        place = np.arange(len(every) - new, len(every))
        is_before = np.arange(len(every)) < place[:, None]
        is_before &= np.arange(len(every)) >= place[:, None] - MOST_BEFORE
        others = np.minimum(place, MOST_BEFORE)
        squares = np.full((new, self._width), FAR, np.int32)
        if reads_near(self._options):
            between = np.where(is_before, squared(last.vectors, every.vectors), FAR)
            nearest = smallest(between, self._width)
            squares[:, : nearest.shape[1]] = nearest
            near = Near(squares, others)
        else:
            near = Near(squares, np.zeros(new, np.int64))
        alike = np.count_nonzero(is_before & (last.forms[:, None] == every.forms), axis=1)
        return Features(
            vectors=last.vectors,
            near=near,
            forms=last.forms,
            alike=alike + 1,
            sizes=others + 1,
            starts=np.full(new, arrived.start),
            ends=np.full(new, arrived.end),
            ts=last.ts,
            # What is judged here enters no sample, and scores are those of whole windows.
            priority=np.zeros(new),
            scores=np.full(new, np.nan),
            texts=texts.to_numpy(zero_copy_only=False),
        )


def _explanations(reference: Reference, events: Features) -> pa.Array:
    """The explanation of each event. Equal texts are explained once, because a flood may have many."""
    texts, first, place = np.unique(events.texts, return_index=True, return_inverse=True)
    nearest = reference.nearest(events.take(first))
    said = [explain(text, each) for text, each in zip(texts.tolist(), nearest, strict=True)]
    return column([said[number] for number in place.tolist()])
