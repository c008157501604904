"""Score: one whole window in, one row an event out, and one about the window."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.schemas import SAMPLE_SHARE, SCORED, TIMESTAMP, WINDOW_SUMMARY
from dataflow.items.windows import ScoredWindow, WholeWindow
from dataflow.score.scorers import Scorer


def score_window(
    scorer: Scorer, key: str, window: WholeWindow, extra: Collection[pa.Field] = ()
) -> ScoredWindow:
    """Score a window. ``extra``: fields behind those of ``SCORED``: ``SAMPLE_SHARE``, columns of the rows."""
    events = window.rows
    scores, n = scorer.score(events), len(events)
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
    rows = [columns[name] if name in columns else events.column(name) for name in schema.names]
    fields = [field.with_type(column.type) for field, column in zip(schema, rows, strict=True)]
    return ScoredWindow(
        pa.RecordBatch.from_arrays(rows, schema=pa.schema(fields)), _summary(key, window, scores.values)
    )


def _summary(key: str, window: WholeWindow, scores: npt.NDArray[np.float64]) -> pa.RecordBatch:
    median, p99, highest = np.quantile(scores, (0.5, 0.99, 1.0)).tolist()
    row = (key, *window.ref, len(scores), window.seen, median, p99, highest)
    return pa.RecordBatch.from_arrays(
        [pa.array([value], field.type) for value, field in zip(row, WINDOW_SUMMARY, strict=True)],
        schema=WINDOW_SUMMARY,
    )
