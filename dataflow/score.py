"""Score: one whole window in, one row an event out."""

import numpy as np
import pyarrow as pa

from dataflow.chunks import WholeWindow
from dataflow.events import SCORED, TIMESTAMP, WINDOW_SUMMARY
from dataflow.scorers import Scorer


def score_window(
    scorer: Scorer, key: str, window: WholeWindow, *, with_embeddings: bool = False
) -> pa.RecordBatch:
    """The window's rows with their scores, schema ``SCORED``; plus ``embedding`` if asked for."""
    rows, scores = window.rows, scorer.score(window.rows)
    n = len(rows)
    columns = {
        "key": pa.repeat(key, n),
        "window_start": pa.repeat(pa.scalar(window.ref.start, TIMESTAMP), n),
        "window_end": pa.repeat(pa.scalar(window.ref.end, TIMESTAMP), n),
        "revision": pa.repeat(pa.scalar(window.ref.revision, pa.int32()), n),
        "score": pa.array(scores.values),
        "cluster": pa.array(scores.cluster),
    }
    schema = SCORED.append(rows.schema.field("embedding")) if with_embeddings else SCORED
    return pa.RecordBatch.from_arrays(
        [columns[name] if name in columns else rows.column(name) for name in schema.names], schema=schema
    )


def summarise(scored: pa.RecordBatch) -> pa.RecordBatch:
    """One row about a scored window, schema ``WINDOW_SUMMARY``."""
    head = scored.slice(0, 1)
    values = scored.column("score").to_numpy()
    figures = {
        "rows": [len(scored)],
        "score_p50": [float(np.quantile(values, 0.5))],
        "score_p99": [float(np.quantile(values, 0.99))],
        "score_max": [float(values.max())],
    }
    return pa.RecordBatch.from_arrays(
        [
            pa.array(figures[f.name], f.type) if f.name in figures else head.column(f.name)
            for f in WINDOW_SUMMARY
        ],
        schema=WINDOW_SUMMARY,
    )
