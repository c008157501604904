"""Makes candidates of the scored windows of one emission."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import micros
from dataflow.items.arrays import Int64s
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.items.hashes import Hashes, hashes
from dataflow.items.marks import Marked
from dataflow.items.rows import event_times, model_of, segments
from dataflow.items.windows import WholeWindows
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.members import priorities
from dataflow.score.evidence.messages import Candidates
from dataflow.score.evidence.near import FAR, Near, near
from dataflow.score.evidence.reference import near_width, reads_near
from dataflow.settings import Score, Window

#: A suspect event waits for this many steps from one window to the next, if no setting says how long. Bursts
#: come again, and an event of the last burst in the reference hides the next one.
QUARANTINE_STEPS = 24


def make_candidates(
    windows: WholeWindows, rows: pa.RecordBatch, scored: Marked, options: Score, window: Window
) -> Candidates:
    """The candidates of an emission.

    ``rows``: the gathered rows of ``windows``, embedded by one version of one model. ``scored``: their
    scores, in the same order.
    """
    found, ids, ts = segments(rows), hashes(rows.column("id")), event_times(rows)
    starts, ends, revision = (
        scored.rows.column(name).cast(pa.int64()).to_numpy()
        for name in ("window_start", "window_end", "revision")
    )
    sizes = np.diff(found.offsets)
    forms = hashes(pc.coalesce(rows.column("masked"), rows.column("text")))
    vectors = to_fixed(embeddings(rows))
    events = Features(
        vectors=vectors,
        near=_near(vectors, ids, found.offsets, options),
        forms=forms,
        alike=_alike(forms, found.offsets),
        sizes=np.repeat(sizes, sizes),
        starts=starts,
        ends=ends,
        ts=ts,
        priority=priorities(ids, ts, micros(options.half_life)),
        scores=scored.rows.column("score").to_numpy(),
        texts=rows.column("text").to_numpy(zero_copy_only=False),
    )
    last = ends if window.kind == "session" else starts + micros(window.step)
    keys: list[str] = found.keys.to_pylist()
    return Candidates(
        emission=windows.emission,
        scored=scored,
        events=events,
        keys=keys,
        offsets=found.offsets,
        # Events that come late, into a window that was emitted already, are not sampled.
        leaves=(ts < last) & (revision == 0),
        late=np.array([windows.window(key).late for key in keys], np.bool_),
        model=model_of(rows),
        arrived=windows.arrived,
    )


def no_candidates(emission: int, dim: int, options: Score, arrived: int = 0) -> Candidates:
    """The candidates of an emission whose rows the model refuses."""
    events = Features.none(dim, near_width(options.novelty_neighbours))
    offsets, none = np.zeros(1, np.int64), np.zeros(0, np.bool_)
    return Candidates(emission, Marked(pa.record_batch({})), events, [], offsets, none, none, None, arrived)


def _near(vectors: Fixed, ids: Hashes, offsets: Int64s, options: Score) -> Near:
    width = near_width(options.novelty_neighbours)
    if reads_near(options):
        return near(vectors, ids, offsets, width)
    return Near(np.full((len(vectors), width), FAR, np.int32), np.zeros(len(vectors), np.int64))


def _alike(forms: Hashes, offsets: Int64s) -> Int64s:
    """``(n,)``: how many events of the same segment have the same form."""
    segment = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((forms, segment))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(segment[order]) != 0) | (forms[order][1:] != forms[order][:-1])
    run = np.cumsum(is_first) - 1
    alike = np.empty(len(order), np.int64)
    alike[order] = np.bincount(run)[run]
    return alike
