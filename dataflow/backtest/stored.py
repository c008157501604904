"""Decides alerts from recorded scores: the rows have the windows, and those of their events that stand out.

This is what the score stage said of them (:class:`~dataflow.items.judged.Judged`), but for two things. A row
has no explanation below ``score.explain``; the alerts then show the same examples without one. Of a window
with revisions, only the last one is decided, as if no event had come late.
"""

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.alert.alerts import Alerts
from dataflow.backtest.drift_rows import DriftRows
from dataflow.backtest.recorded import Recorded
from dataflow.backtest.stored_drift import StoredDrift
from dataflow.backtest.stored_windows import (
    WINDOW,
    Windows,
    bounds,
    one,
    order_of,
    place_of,
    runs_of,
    windows_of,
)
from dataflow.decode.masking import masked, patterns_of
from dataflow.errors import SourceError
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import to_fixed
from dataflow.items.hashes import hashes
from dataflow.items.judged import Judged, Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.items.schemas import EXPLANATION
from dataflow.score.evidence.standing_out import to_explain
from dataflow.settings import Settings, has_budget

#: The columns of events that alerts read, beside the explanation.
_SHOWN = ["id", "ts", "text", "cluster", "anomaly"]


def decide(
    recorded: Recorded, settings: Settings, likeness: Likeness = UNMARKED
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows there are, and rows of ``ALERT``, whose times are integers. ``likeness``: what people
    marked. Raises ``SourceError``.
    """
    windows, rows_of_drift, standing = _read(recorded, settings)
    drift = StoredDrift(settings, windows, rows_of_drift)
    make = partial(Alerts, settings.alert, settings.window, likeness=likeness)
    per_key = has_budget(settings.alert, settings.window) == "key"
    has_order = settings.window.watermark == "stream"
    alerts: dict[int, Alerts] = {}
    rows: list[dict[str, Any]] = []
    emissions: Counter[int] = Counter()
    starts = bounds(windows.ends, windows.groups)
    for first, last in itertools.pairwise(starts):
        group, end = int(windows.groups[first]) if per_key else 0, int(windows.ends[first])
        if group not in alerts:
            alerts[group] = make(1 if has_order else None, drift_alpha=settings.drift.alpha)
        mine = alerts[group]
        judged = _judged(windows, slice(first, last), standing, emissions[group])
        rows += mine.take("all", drift.tested(judged, first))
        emissions[group] += 1
        if per_key or last == len(windows) or windows.ends[last] != end:
            rows += mine.take("all", Passed(emissions[group], end))
    return windows.total, rows


@dataclass(frozen=True)
class _Standing:
    """Events that stand out, by window, time and id. ``windows``: ``(m,)``, the number of the window of each.
    ``events``, ``vectors``: as in ``Judged``, with the columns that alerts read.
    """

    windows: Int64s
    events: pa.RecordBatch
    vectors: npt.NDArray[np.int16]


def _read(recorded: Recorded, settings: Settings) -> tuple[Windows, DriftRows, _Standing]:
    if "anomaly" not in recorded.schema.names:
        raise SourceError(
            f"{recorded.name}: has no column 'anomaly'; run the flow with score.reference = true"
        )
    # Which rows are needed depends on the sizes of windows. These columns take little time.
    runs = map(runs_of, recorded.batches([*WINDOW, "model", "model_version"]))
    windows = windows_of(pa.Table.from_batches(runs), settings.window.key_groups)
    drift, found = DriftRows(settings, windows), []
    explained = [EXPLANATION.name] if EXPLANATION.name in recorded.schema.names else []
    columns = [*WINDOW, *_SHOWN, "embedding", *explained]
    for batch in recorded.batches(list(dict.fromkeys([*columns, *drift.columns]))):
        drift.add(batch)
        stands_out = pc.greater_equal(batch.column("anomaly"), settings.alert.least_anomaly)
        found.append(batch.select(columns).filter(stands_out))
    return windows, drift, _standing(pa.Table.from_batches(found), windows, settings)


def _standing(rows: pa.Table, windows: Windows, settings: Settings) -> _Standing:
    """The rows that are of the last revision of their window."""
    place = place_of(rows, windows)
    order = order_of(rows, place, windows)
    batch = rows.take(pa.array(order))
    events = pa.RecordBatch.from_arrays([one(column) for column in batch.columns], schema=batch.schema)
    of_window = place[order]
    masks = masked(events.column("text"), patterns_of(settings.source.mask))
    forms = hashes(pc.coalesce(masks, events.column("text")))
    anomaly = events.column("anomaly").to_numpy()
    wanted = to_explain(anomaly, of_window, forms, settings.alert.least_anomaly)
    vectors = to_fixed(embeddings(events))
    with_explanation = events.select(["key", *_SHOWN]).append_column(
        EXPLANATION.name, _explanation(events, wanted)
    )
    return _Standing(of_window, with_explanation, vectors)


def _explanation(events: pa.RecordBatch, wanted: Bools) -> pa.Array:
    """The recorded explanations. An event that was explained for alerts, but not for its row, has one without
    words: events with an explanation are the first examples of an alert.
    """
    fields = list(EXPLANATION.type)
    if EXPLANATION.name not in events.schema.names:
        children, valid = [pa.nulls(len(events), field.type) for field in fields], wanted
    else:
        column = events.column(EXPLANATION.name)
        children, valid = column.flatten(), column.is_valid().to_numpy(zero_copy_only=False) | wanted
    nullable = [field.with_nullable(True) for field in fields]
    return pa.StructArray.from_arrays(children, fields=nullable, mask=pa.array(~valid))


def _judged(windows: Windows, which: slice, standing: _Standing, emission: int) -> Judged:
    """The windows at ``which``, which end together, as emission number ``emission``."""
    first, last = standing.windows.searchsorted([which.start, which.stop]).tolist()
    keys = windows.keys[which]
    return Judged(
        emission=emission,
        keys=keys.to_pylist(),
        starts=windows.starts[which],
        ends=windows.ends[which],
        late=np.zeros(len(keys), np.bool_),
        rows=windows.sizes[which],
        events=standing.events.slice(first, last - first),
        windows=standing.windows[first:last] - which.start,
        vectors=standing.vectors[first:last],
        model=windows.models[which.start].as_py(),
    )
