"""What the page shows before anything else: sources, keys, times."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.queries.incidents import counts
from dashboard.rows import EVIDENCE_NAMES
from dashboard.store.store import Moment
from dataflow.clock import FOREVER, NEVER

_MOST_KEYS = 1000
_EXACT_ROWS = 100_000


def summary(moment: Moment) -> dict[str, Any]:
    """The part of the state that the store knows."""
    rows = moment.scores
    columns, live = rows.columns, rows.columns["live"]
    keys = np.bincount(columns["key"], live, len(rows.keys)).astype(np.int64)
    most = np.argsort(-keys, kind="stable")[:_MOST_KEYS]
    ts = columns["ts"]
    has_rows = bool(live.any())
    known = [name for name in EVIDENCE_NAMES if not np.isnan(columns[name]).all()] if has_rows else []
    return {
        "generation": moment.generation,
        "rows": int(live.sum()),
        "keys": [{"key": rows.keys[number], "rows": int(keys[number])} for number in most if keys[number]],
        "keys_total": int((keys > 0).sum()),
        "first_ts": int(ts.min(where=live, initial=FOREVER)) if has_rows else None,
        "last_ts": int(ts.max(where=live, initial=NEVER)) if has_rows else None,
        "watermark": watermark(moment),
        "columns": ["score", *known],
        "dropped_rows": rows.dropped,
        "events": _events(columns["event"], live),
        "windows": int(np.count_nonzero(np.bincount(columns["window"], live))) if has_rows else 0,
        "incidents": counts(moment),
    }


def watermark(moment: Moment) -> int | None:
    """The end of the newest window that was scored: the watermark has come so far, or farther."""
    columns = moment.scores.columns
    end = int(columns["window_end"].max(where=columns["live"], initial=NEVER))
    return end if end != NEVER else None


def _events(events: npt.NDArray[np.uint64], live: npt.NDArray[np.bool_]) -> int:
    """How many different events there are; of many rows, an estimate from a sixteenth of the events."""
    if len(events) <= _EXACT_ROWS:
        return len(np.unique(events[live]))
    sampled = (events & np.uint64(15)) == 0
    return 16 * len(np.unique(events[sampled & live]))
