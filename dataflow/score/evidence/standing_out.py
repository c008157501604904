"""Tells the stages that decide which events of an emission stand out."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.judged import Judged
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SCORED
from dataflow.score.evidence.explain import column
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.messages import Candidates

_COLUMNS = [field.name for field in (*SCORED, *EVIDENCE)]
_SCHEMA = pa.schema([*SCORED, *EVIDENCE, EXPLANATION])


def highest(anomaly: Doubles, keys: Int64s, least: float, most: int) -> Bools:
    """``(n,)``: the ``most`` events of each key with the highest ``anomaly``, where it is ``least`` or more.

    >>> highest(np.array([1.0, 3.0, 2.0, 2.0]), np.array([0, 0, 0, 1]), least=1.5, most=1).tolist()
    [False, True, False, True]
    """
    order = np.lexsort((-anomaly, keys))
    first = keys[order].searchsorted(keys[order])
    found = np.zeros(len(anomaly), np.bool_)
    found[order] = np.arange(len(order)) - first < most
    return found & (anomaly >= least)


def judged(
    candidates: Candidates,
    rows: pa.RecordBatch,
    explanations: Sequence[dict[str, object] | None],
    least: float,
) -> Judged:
    """The windows of an emission, and those of their events that have an ``anomaly`` of ``least`` or more.

    ``rows``: the scored rows with ``EVIDENCE``; no columns are needed if there are no rows.
    ``explanations``: of all rows.
    """
    first, events = candidates.offsets[:-1], candidates.events
    if not len(events):
        rows = pa.RecordBatch.from_pylist([], schema=_SCHEMA)
    anomaly = rows.column("anomaly").to_numpy(zero_copy_only=False)
    found = np.flatnonzero(anomaly >= least)
    some = rows.select(_COLUMNS).take(pa.array(found))
    explained = column([explanations[row] for row in found.tolist()])
    return Judged(
        emission=candidates.emission,
        keys=candidates.keys,
        starts=events.starts[first],
        ends=events.ends[first],
        late=candidates.late,
        rows=np.diff(candidates.offsets),
        events=some.append_column(EXPLANATION, explained),
        windows=candidates.offsets.searchsorted(found, "right") - 1,
        vectors=events.vectors[found],
        model=candidates.model,
    )
