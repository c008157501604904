"""Decides alerts from recorded scores: the rows have the windows, and those of their events that stand out.

This is what the score stage said of them (:class:`~dataflow.items.judged.Judged`), but for two things. A row
has no explanation below ``score.explain``; the alerts then show the same examples without one. Of a window
with revisions, only the last one is decided, as if no event had come late.
"""

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.alert.alerts import Alerts
from dataflow.backtest.recorded import Recorded
from dataflow.decode.masking import masked, patterns_of
from dataflow.errors import SourceError
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import to_fixed
from dataflow.items.hashes import hashes
from dataflow.items.judged import Judged, Passed
from dataflow.items.schemas import EXPLANATION, embeddings
from dataflow.score.evidence.standing_out import to_explain
from dataflow.settings import Settings, has_budget
from dataflow.window.split import groups_of

_WINDOW = ("key", "window_start", "window_end", "revision")
#: The columns of events that alerts read, beside the explanation.
_SHOWN = ["id", "ts", "text", "cluster", "anomaly"]


def decide(recorded: Recorded, settings: Settings) -> tuple[int, list[dict[str, Any]]]:
    """How many rows there are, and rows of ``ALERT``, whose times are integers. Raises ``SourceError``."""
    windows, standing = _read(recorded, settings)
    per_key = has_budget(settings.alert, settings.window) == "key"
    has_order = settings.window.watermark == "stream"
    alerts: dict[int, Alerts] = {}
    rows: list[dict[str, Any]] = []
    emissions: Counter[int] = Counter()
    bounds = _bounds(windows.ends, windows.groups)
    for first, last in itertools.pairwise(bounds):
        group, end = int(windows.groups[first]) if per_key else 0, int(windows.ends[first])
        if group not in alerts:
            alerts[group] = Alerts(settings.alert, settings.window, 1 if has_order else None)
        mine = alerts[group]
        rows += mine.take("all", _judged(windows, slice(first, last), standing, emissions[group]))
        emissions[group] += 1
        if per_key or last == len(windows) or windows.ends[last] != end:
            rows += mine.take("all", Passed(emissions[group], end))
    return windows.total, rows


@dataclass(frozen=True)
class _Windows:
    """The last revision of ``w`` windows of keys, by end, key group and key. ``keys``: an array of strings.
    ``models``: the model and version of each. ``groups``, ``starts``, ``ends``, ``sizes``, ``revisions``:
    ``(w,)``. ``total``: how many rows were recorded, with all revisions.
    """

    keys: pa.Array
    models: pa.Array
    groups: Int64s
    starts: Int64s
    ends: Int64s
    sizes: Int64s
    revisions: Int64s
    total: int

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class _Standing:
    """Events that stand out, by window, time and id. ``windows``: ``(m,)``, the number of the window of each.
    ``events``, ``vectors``: as in ``Judged``, with the columns that alerts read.
    """

    windows: Int64s
    events: pa.RecordBatch
    vectors: npt.NDArray[np.int16]


def _read(recorded: Recorded, settings: Settings) -> tuple[_Windows, _Standing]:
    if "anomaly" not in recorded.schema.names:
        raise SourceError(
            f"{recorded.name}: has no column 'anomaly'; run the flow with score.reference = true"
        )
    explained = [EXPLANATION.name] if EXPLANATION.name in recorded.schema.names else []
    columns = [*_WINDOW, *_SHOWN, "model", "model_version", "embedding", *explained]
    runs, found = [], []
    for batch in recorded.batches(columns):
        runs.append(_runs(batch))
        found.append(batch.filter(pc.greater_equal(batch.column("anomaly"), settings.alert.least_anomaly)))
    windows = _windows(pa.Table.from_batches(runs), settings.window.key_groups)
    table = pa.Table.from_batches(found)
    return windows, _standing(table, windows, settings)


def _runs(rows: pa.RecordBatch) -> pa.RecordBatch:
    """How many rows each window of a key has that follow each other."""
    is_first = np.zeros(len(rows), np.bool_)
    is_first[:1] = True
    for name in _WINDOW:
        column = rows.column(name)
        differs = pc.not_equal(column.slice(1), column.slice(0, len(rows) - 1))
        is_first[1:] |= differs.to_numpy(zero_copy_only=False)
    first = np.flatnonzero(is_first)
    sizes = np.diff(np.append(first, len(rows)))
    model = pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")
    found = rows.select(list(_WINDOW)).append_column("model", model).take(pa.array(first))
    return found.append_column("rows", pa.array(sizes, pa.int64()))


def _windows(runs: pa.Table, key_groups: int) -> _Windows:
    merged = runs.group_by(list(_WINDOW)).aggregate([("rows", "sum"), ("model", "min")])
    merged = merged.append_column("group", pa.array(groups_of(_one(merged["key"]), key_groups)))
    order = ("window_end", "group", "key", "window_start", "revision")
    table = merged.sort_by([(name, "ascending") for name in order])
    starts, ends, revisions, sizes = (
        _one(table[name]).cast(pa.int64()).to_numpy()
        for name in ("window_start", "window_end", "revision", "rows_sum")
    )
    keys = _one(table["key"])
    codes = keys.dictionary_encode().indices.to_numpy()
    is_last = np.zeros(len(table), np.bool_)
    is_last[_bounds(starts, ends, codes)[1:] - 1] = True
    kept = table.filter(pa.array(is_last))
    return _Windows(
        keys=_one(kept["key"]),
        models=_one(kept["model_min"]),
        groups=_one(kept["group"]).to_numpy(),
        starts=starts[is_last],
        ends=ends[is_last],
        sizes=sizes[is_last],
        revisions=revisions[is_last],
        total=int(sizes.sum()),
    )


def _bounds(*columns: Int64s) -> Int64s:
    """Where runs of equal rows begin, and the number of rows.

    >>> _bounds(np.array([5, 5, 6, 6]), np.array([1, 1, 1, 2])).tolist()
    [0, 2, 3, 4]
    """
    differs = np.any([np.diff(column) != 0 for column in columns], axis=0)
    return np.concatenate([[0], np.flatnonzero(differs) + 1, [len(columns[0])]])


def _standing(rows: pa.Table, windows: _Windows, settings: Settings) -> _Standing:
    """The rows that are of the last revision of their window."""
    place = _place(rows, windows)
    order = _order(rows, place, windows)
    batch = rows.take(pa.array(order))
    events = pa.RecordBatch.from_arrays([_one(column) for column in batch.columns], schema=batch.schema)
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


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _place(rows: pa.Table, windows: _Windows) -> Int64s:
    """``(m,)``: the number of the window of each row; -1: its revision is not the last one."""
    known = pa.table(
        {
            "key": windows.keys,
            "window_start": windows.starts,
            "window_end": windows.ends,
            "revision": windows.revisions,
            "place": np.arange(len(windows)),
        }
    )
    wanted = pa.table(
        {"key": rows["key"], "row": np.arange(len(rows))}
        | {name: rows[name].cast(pa.int64()) for name in ("window_start", "window_end", "revision")}
    )
    joined = wanted.join(known, ["key", "window_start", "window_end", "revision"], join_type="left outer")
    found = np.full(len(rows), -1, np.int64)
    found[joined["row"].to_numpy()] = pc.fill_null(joined["place"], -1).to_numpy()
    return found


def _order(rows: pa.Table, place: Int64s, windows: _Windows) -> Int64s:
    by = pa.table({"place": place, "ts": rows["ts"], "id": rows["id"]})
    order = pc.sort_indices(by, sort_keys=[(name, "ascending") for name in by.column_names]).to_numpy()
    kept: Int64s = order[place[order] >= 0].astype(np.int64)
    return kept


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


def _judged(windows: _Windows, which: slice, standing: _Standing, emission: int) -> Judged:
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
