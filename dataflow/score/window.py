"""Scores whole windows: makes a row for each event, and a summary of each window."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.rows import Segments, segments
from dataflow.items.schemas import (
    CLUSTERS,
    EVIDENCE,
    EXPLANATION,
    SAMPLE_SHARE,
    SCORED,
    TIMESTAMP,
    WINDOW_SUMMARY,
)
from dataflow.items.windows import KeyWindow, ScoredWindows, WholeWindows
from dataflow.score.clusters import GroupClusters, column
from dataflow.score.scorers import Scorer, Scores, joined, score_segments

_Doubles = npt.NDArray[np.float64]


def score_windows(
    scorer: Scorer, windows: WholeWindows, rows: pa.RecordBatch, extra: Collection[pa.Field] = ()
) -> ScoredWindows:
    """Score ``rows``, the gathered rows of ``windows``: embedded events, at least one, sorted by key.

    Each event is scored against the events of its key alone. ``extra``: more fields of the result, after the
    fields of ``SCORED``: ``SAMPLE_SHARE``, ``EXPLANATION`` and the fields of ``EVIDENCE`` (all null), or
    columns of ``rows``.
    """
    found = segments(rows)
    return _scored(windows, rows, found, score_segments(scorer, rows, found.offsets), extra)


def track_windows(
    clusters: GroupClusters, windows: WholeWindows, rows: pa.RecordBatch, extra: Collection[pa.Field] = ()
) -> ScoredWindows:
    """Score ``rows`` as :func:`score_windows` does, with clusters that go on from window to window.

    The windows must come in the order of their emissions. The summaries have the column ``CLUSTERS``.
    """
    found = segments(rows)
    tracked = clusters.track(windows, rows, found)
    scored = _scored(windows, rows, found, joined([each.scores for each in tracked]), extra)
    changes = column([each.changes for each in tracked])
    return ScoredWindows(scored.rows, scored.summary.append_column(CLUSTERS, changes))


def _scored(
    windows: WholeWindows,
    rows: pa.RecordBatch,
    found: Segments,
    scores: Scores,
    extra: Collection[pa.Field],
) -> ScoredWindows:
    sizes = np.diff(found.offsets)
    of_each = _columns(windows, found)
    columns = {
        "window_start": _times(np.repeat(of_each.start, sizes)),
        "window_end": _times(np.repeat(of_each.end, sizes)),
        "revision": pa.array(np.repeat(of_each.revision, sizes), pa.int32()),
        "score": pa.array(scores.values),
        "cluster": pa.array(scores.cluster),
    }
    for field in extra:
        if field == SAMPLE_SHARE:
            columns[field.name] = pa.array(np.repeat(sizes / of_each.seen, sizes))
        elif field in (*EVIDENCE, EXPLANATION):
            columns[field.name] = pa.nulls(len(rows), field.type)
    fields = [*SCORED, *extra]
    arrays = [columns[name] if name in columns else rows.column(name) for name in (f.name for f in fields)]
    if any(array.type != field.type for field, array in zip(fields, arrays, strict=True)):
        fields = [field.with_type(array.type) for field, array in zip(fields, arrays, strict=True)]
    return ScoredWindows(
        pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), _summary(found, of_each, scores.values)
    )


def with_seen(windows: WholeWindows, rows: pa.RecordBatch) -> WholeWindows:
    """``windows``, where each window knows how many events it has: as many as ``rows`` if it did not know.

    ``rows``: the gathered rows. So rows that are taken out later count as events that were seen.
    """
    found = segments(rows)
    counted = zip(found.keys.to_pylist(), np.diff(found.offsets).tolist(), strict=True)
    return replace(windows, windows={key: _counted(windows.window(key), size) for key, size in counted})


def _counted(window: KeyWindow, rows: int) -> KeyWindow:
    return window if window.seen is not None else window._replace(seen=rows)


class _Columns(NamedTuple):
    """The windows of the segments, ``(k,)`` int64 each."""

    start: Int64s
    end: Int64s
    revision: Int64s
    seen: Int64s


def _columns(windows: WholeWindows, found: Segments) -> _Columns:
    of_all = windows.windows
    of_keys = [of_all] if isinstance(of_all, KeyWindow) else map(of_all.__getitem__, found.keys.to_pylist())
    # Rows that are all events are marked with -1, which no window has seen.
    each = np.array([(*ref, -1 if seen is None else seen) for ref, seen, _ in of_keys], np.int64)
    start, end, revision, seen = np.broadcast_to(each, (len(found.keys), 4)).T
    return _Columns(start, end, revision, np.where(seen < 0, np.diff(found.offsets), seen))


def _times(micros: Int64s) -> pa.Array:
    return pa.array(micros).view(TIMESTAMP)


def _summary(found: Segments, of_each: _Columns, scores: _Doubles) -> pa.RecordBatch:
    sizes = np.diff(found.offsets)
    by_score = np.lexsort((scores, np.repeat(np.arange(len(sizes)), sizes)))
    p50, p99, highest = (quantiles(scores[by_score], found.offsets, share) for share in (0.5, 0.99, 1.0))
    columns: list[Any] = [found.keys.cast(pa.string()), _times(of_each.start), _times(of_each.end)]
    columns += [of_each.revision, sizes, of_each.seen, p50, p99, highest]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, WINDOW_SUMMARY, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=WINDOW_SUMMARY)


def quantiles(values: _Doubles, offsets: Int64s, share: float) -> _Doubles:
    """``(k,)`` the quantile ``share``, in [0, 1], of each segment of ``values``.

    ``values``: ``(n,)``, sorted within each segment. ``offsets``: ``(k + 1,)``, as in
    :class:`dataflow.items.rows.Segments`. Between two values the quantile is linear, as by default in
    ``numpy.quantile`` (method 7 of Hyndman and Fan, "Sample quantiles in statistical packages", 1996).

    >>> quantiles(np.array([0.0, 1.0, 5.0, 3.0]), np.array([0, 3, 4]), 0.75).tolist()
    [3.0, 3.0]
    """
    place = (np.diff(offsets) - 1) * share
    below = np.floor(place).astype(np.int64)
    low = offsets[:-1] + below
    high = np.minimum(low + 1, offsets[1:] - 1)
    between: _Doubles = values[low] + (values[high] - values[low]) * (place - below)
    return between
