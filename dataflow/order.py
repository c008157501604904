"""Rows in the order of (``ts``, ``id``): that of whatever order events arrive in, scores are made in."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.watermark import Int64s


def times(rows: pa.RecordBatch) -> Int64s:
    """``(n,)`` the event times, microseconds since the Unix epoch; a view."""
    ts: Int64s = rows.column("ts").view(pa.int64()).to_numpy()
    return ts


def in_order(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows by (``ts``, ``id``); the same object if they are so already."""
    ts = times(rows)
    steps = np.diff(ts)
    if (steps > 0).all():
        return rows
    if (steps == 0).any() or len(np.unique(ts)) < len(ts):
        by_both = [("ts", "ascending"), ("id", "ascending")]
        order = pc.sort_indices(rows.select(["ts", "id"]), sort_keys=by_both).to_numpy()
        if (np.diff(order.astype(np.int64)) > 0).all():
            return rows
    else:
        # Made of few runs that are in order, which this finds and merges.
        order = np.argsort(ts, kind="stable")
    return rows.take(pa.array(order))
