"""What the page shows before anything else: sources, keys, times."""

from typing import Any

import numpy as np

from dashboard.queries.incidents import counts
from dashboard.rows import EVIDENCE_NAMES
from dashboard.store.store import Moment

_MOST_KEYS = 1000


def summary(moment: Moment) -> dict[str, Any]:
    """The part of the state that the store knows."""
    rows = moment.scores
    columns, live = rows.columns, rows.columns["live"]
    keys = np.bincount(columns["key"][live], minlength=len(rows.keys))
    most = np.argsort(-keys, kind="stable")[:_MOST_KEYS]
    ts = columns["ts"][live]
    known = [name for name in EVIDENCE_NAMES if len(rows) and not np.isnan(columns[name][live]).all()]
    return {
        "generation": moment.generation,
        "rows": len(ts),
        "keys": [{"key": rows.keys[number], "rows": int(keys[number])} for number in most if keys[number]],
        "keys_total": int((keys > 0).sum()),
        "first_ts": int(ts.min()) if len(ts) else None,
        "last_ts": int(ts.max()) if len(ts) else None,
        "watermark": watermark(moment),
        "columns": ["score", *known],
        "dropped_rows": rows.dropped,
        "events": _different(columns["event"][live]),
        "windows": _different(columns["window"][live]),
        "incidents": counts(moment),
    }


def watermark(moment: Moment) -> int | None:
    """The end of the newest window that was scored: the watermark has come so far, or farther."""
    columns = moment.scores.columns
    ends = columns["window_end"][columns["live"] & (columns["revision"] == 0)]
    return int(ends.max()) if len(ends) else None


def _different(values: Any) -> int:
    return len(np.unique(values))
