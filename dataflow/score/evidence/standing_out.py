"""Tells the stages that decide which events of an emission stand out."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.hashes import Hashes
from dataflow.items.judged import Judged
from dataflow.items.schemas import EVIDENCE, EXPLANATION, POSITION, SCORED
from dataflow.score.evidence.explain import column
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.messages import Candidates

#: Of the events of a window that may alert, so many have an explanation. An explanation takes 0.4 ms.
MOST_EXPLAINED = 20
#: The columns of scored rows that the stages after this one read.
COLUMNS = [field.name for field in (*SCORED, *EVIDENCE) if field.name not in POSITION]
_SCHEMA = pa.schema([*(field for field in (*SCORED, *EVIDENCE) if field.name in COLUMNS), EXPLANATION])


def to_explain(anomaly: Doubles, keys: Int64s, forms: Hashes, least: float) -> Bools:
    """``(n,)``: the event with the highest ``anomaly`` of each key and form, if that is ``least`` or more; of
    each key, the highest ``MOST_EXPLAINED`` of these events.

    >>> to_explain(np.array([2.0, 3.0, 2.0, 1.0]), np.zeros(4), np.array([7, 7, 8, 9]), least=1.5).tolist()
    [False, True, True, False]
    """
    found = np.zeros(len(anomaly), np.bool_)
    rows = np.flatnonzero(anomaly >= least)
    order = rows[np.lexsort((-anomaly[rows], forms[rows], keys[rows]))]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(keys[order]) != 0) | (forms[order][1:] != forms[order][:-1])
    tops = np.sort(order[is_first])
    order = tops[np.lexsort((-anomaly[tops], keys[tops]))]
    place = np.arange(len(order)) - keys[order].searchsorted(keys[order])
    found[order[place < MOST_EXPLAINED]] = True
    return found


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
    some = rows.select(COLUMNS).take(pa.array(found))
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
