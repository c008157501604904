"""Makes what the score stage says to the alert stage."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.clock import micros
from dataflow.items.early import EARLY, Early
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.judged import Judged
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SCORED
from dataflow.settings import Window

#: The columns of the events that stand out.
SCHEMA = pa.schema([*SCORED, *EVIDENCE, EXPLANATION])
MINUTE = 60_000_000


class Unusual(NamedTuple):
    """An event that stands out. ``angle``: the direction of its embedding, in degrees."""

    id: str
    ts: int
    anomaly: float
    angle: float = 0.0


class Seen(NamedTuple):
    """A window of a key with ``rows`` events, of which ``unusual`` ones stand out."""

    start: int
    end: int
    unusual: Sequence[Unusual] = ()
    rows: int = 100
    late: bool = False
    revision: int = 0


def judged(emission: int, windows: Mapping[str, Seen], model: str = "m 1") -> Judged:
    """The windows of an emission."""
    keys = sorted(windows)
    rows, found, codes = [], [], []
    for code, key in enumerate(keys):
        for event in sorted(windows[key].unusual, key=lambda event: (event.ts, event.id)):
            rows.append(_row(key, windows[key], event))
            found.append(event)
            codes.append(code)
    each = [windows[key] for key in keys]
    return Judged(
        emission=emission,
        keys=keys,
        starts=np.array([seen.start for seen in each], np.int64),
        ends=np.array([seen.end for seen in each], np.int64),
        late=np.array([seen.late for seen in each], np.bool_),
        rows=np.array([seen.rows for seen in each], np.int64),
        events=pa.RecordBatch.from_pylist(rows, schema=SCHEMA),
        windows=np.array(codes, np.int64),
        vectors=_vectors(found),
        model=model if keys else None,
    )


def early(
    number: int, passed: int, window: Window, keys: Mapping[str, Sequence[Unusual]], model: str = "m 1"
) -> Early:
    """Events that stand out, in order of arrival, after the windows that end at ``passed``."""
    end = passed + micros(window.step)
    seen = Seen(end - micros(window.length), end)
    pairs = [(key, event) for key, events in keys.items() for event in events]
    rows = [{name: _row(key, seen, event)[name] for name in EARLY.names} for key, event in pairs]
    return Early(
        number=number,
        start=seen.start,
        end=end,
        passed=passed,
        events=pa.RecordBatch.from_pylist(rows, schema=EARLY),
        vectors=_vectors([event for _, event in pairs]),
        model=model,
    )


def _vectors(events: Sequence[Unusual]) -> Fixed:
    angles = np.radians([event.angle for event in events])
    return to_fixed(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def _row(key: str, seen: Seen, event: Unusual) -> dict[str, Any]:
    return {
        "key": key,
        "window_start": seen.start,
        "window_end": seen.end,
        "revision": seen.revision,
        "id": event.id,
        "ts": event.ts,
        "text": f"text of {event.id}",
        "score": 1.0,
        "cluster": 3,
        "model": "m",
        "model_version": "1",
        "attributes": "{}",
        "p_value": 10.0**-event.anomaly,
        "anomaly": event.anomaly,
        "explanation": {
            "nearest": "a usual text",
            "nearest_ts": event.ts - MINUTE,
            "similarity": 0.5,
            "new": [],
            "missing": [],
            "seen": 0,
            "sentence": f"nearest of 9 earlier events of {event.id}",
        },
    }
