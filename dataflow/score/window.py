"""Scores one whole window: makes a row for each event, and a summary of the window."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.schemas import SAMPLE_SHARE, SCORED, TIMESTAMP, WINDOW_SUMMARY
from dataflow.items.windows import ScoredWindow, WholeWindow
from dataflow.score.scorers import Scorer


def score_window(
    scorer: Scorer, key: str, window: WholeWindow, rows: pa.RecordBatch, extra: Collection[pa.Field] = ()
) -> ScoredWindow:
    """Score ``rows``, the gathered rows of ``window``: embedded events, at least one.

    ``extra``: more fields of the result, after the fields of ``SCORED``: ``SAMPLE_SHARE``, or columns of
    ``rows``.
    """
    scores, n = scorer.score(rows), len(rows)
    columns = {
        "key": pa.repeat(key, n),
        "window_start": pa.repeat(pa.scalar(window.ref.start, TIMESTAMP), n),
        "window_end": pa.repeat(pa.scalar(window.ref.end, TIMESTAMP), n),
        "revision": pa.repeat(pa.scalar(window.ref.revision, pa.int32()), n),
        "score": pa.array(scores.values),
        "cluster": pa.array(scores.cluster),
        SAMPLE_SHARE.name: pa.repeat(n / window.seen, n),
    }
    schema = pa.schema([*SCORED, *extra])
    arrays = [columns[name] if name in columns else rows.column(name) for name in schema.names]
    fields = [field.with_type(array.type) for field, array in zip(schema, arrays, strict=True)]
    return ScoredWindow(
        pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), _summary(key, window, scores.values)
    )


def _summary(key: str, window: WholeWindow, scores: npt.NDArray[np.float64]) -> pa.RecordBatch:
    median, p99, highest = np.quantile(scores, (0.5, 0.99, 1.0)).tolist()
    row = (key, *window.ref, len(scores), window.seen, median, p99, highest)
    return pa.RecordBatch.from_arrays(
        [pa.array([value], field.type) for value, field in zip(row, WINDOW_SUMMARY, strict=True)],
        schema=WINDOW_SUMMARY,
    )
