"""Makes the rows of windows comparable that several versions of the model embedded, without a model."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from dataflow.items.envelope import of_events
from dataflow.items.rows import Rows, in_order
from dataflow.items.schemas import dead_letters

#: What identifies an event: key, id and event time.
_Event = tuple[str, str, int]


class Versions:
    """The embeddings that were recorded.

    ``others``: events as other versions embedded them than the one of their first window. ``models``: each
    model and version, the newest one last.
    """

    def __init__(self, others: pa.Table, models: Sequence[str]) -> None:
        self._newest = {model: number for number, model in enumerate(models)}
        self._others = others.combine_chunks().to_batches()[0] if len(others) else None
        self._rows: dict[_Event, dict[str, int]] = {}
        if self._others is not None:
            for row, (event, model) in enumerate(
                zip(_events(self._others), _models(self._others), strict=True)
            ):
                self._rows.setdefault(event, {})[model] = row

    def unify(self, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """The rows as one version embedded them, in (``key``, ``ts``, ``id``) order, and dead letters.

        The version is the one that embedded most of the events, the newest one of two. The events that this
        version did not embed become dead letters: there is no model that could embed them.
        """
        models = _models(rows)
        if len(set(models)) <= 1:
            return rows, dead_letters([])
        events, embedded = _events(rows), Counter(models)
        for event, mine in zip(events, models, strict=True):
            embedded.update(model for model in self._rows.get(event, {}) if model != mine)
        chosen = max(embedded, key=lambda model: (embedded[model], self._newest[model]))
        places = [
            None if mine == chosen else self._rows.get(event, {}).get(chosen, -1)
            for event, mine in zip(events, models, strict=True)
        ]
        kept = [rows.take(pa.array([i for i, place in enumerate(places) if place is None], pa.int64()))]
        found = [place for place in places if place is not None and place >= 0]
        if self._others is not None and found:
            kept.append(self._others.take(pa.array(found, pa.int64())))
        refused = [i for i, place in enumerate(places) if place == -1]
        letters = rows.take(pa.array(refused, pa.int64()))
        why = f"no embedding of {chosen} was recorded for this event"
        said = [
            ("embedding", why, each["partition"], each["offset"], each["text"].encode())
            for each in letters.select(["partition", "offset", "text"]).to_pylist()
        ]
        return in_order([Rows(part) for part in kept if len(part)]), dead_letters(said, of_events(letters))


def _events(rows: pa.RecordBatch) -> list[_Event]:
    columns = (rows.column("key"), rows.column("id"), rows.column("ts").cast(pa.int64()))
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def _models(rows: pa.RecordBatch) -> list[str]:
    pairs = zip(rows.column("model").to_pylist(), rows.column("model_version").to_pylist(), strict=True)
    return [" ".join(pair) for pair in pairs]
