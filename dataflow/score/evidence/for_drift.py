"""What the drift stage needs of the windows of an emission."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from dataflow.items.drift import Past, WindowSample
from dataflow.score.evidence.messages import Candidates
from dataflow.score.evidence.reference import Reference
from dataflow.score.evidence.standing_out import COLUMNS


def pasts(candidates: Candidates, references: Mapping[str, Reference], least: int) -> dict[int, Past | None]:
    """The number of each window with ``least`` events or more, and the reference of its key; ``None``: the
    key has none. Nothing is done for smaller windows.
    """
    found: dict[int, Past | None] = {}
    for at in np.flatnonzero(np.diff(candidates.offsets) >= least).tolist():
        reference = references.get(candidates.keys[at])
        start = int(candidates.events.starts[candidates.offsets[at]])
        found[at] = None if reference is None else _past(reference, start)
    return found


def _past(reference: Reference, start: int) -> Past:
    """The sampled events that are older than ``start``, in time order.

    They need not be members: events that wait (``Reference.enter``) are a part of the past, too.
    """
    reference.take_in()
    events = reference.events
    older = np.flatnonzero(events.ts < start)
    order = older[np.lexsort((events.priority[older], events.ts[older]))]
    return Past(events.vectors, events.texts, order)


def window_samples(
    candidates: Candidates, rows: pa.RecordBatch, found: Mapping[int, Past | None]
) -> list[WindowSample]:
    """The windows that ``pasts`` found. ``rows``: the scored rows with ``EVIDENCE``. Nothing is copied."""
    some, samples = rows.select(COLUMNS), []
    for at, past in found.items():
        first, last = candidates.offsets[at : at + 2].tolist()
        samples.append(
            WindowSample(at, some.slice(first, last - first), candidates.events.vectors[first:last], past)
        )
    return samples
