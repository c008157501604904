"""The interfaces of scorers."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s


@dataclass(frozen=True)
class Scores:
    """The scores of rows."""

    #: ``(n,)`` float64, finite. A higher value is more anomalous.
    values: npt.NDArray[np.float64]
    #: ``(n,)`` int32: the cluster of each row; -1 if the scorer has no clusters.
    cluster: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values: npt.ArrayLike, cluster: npt.ArrayLike | None = None) -> "Scores":
        """Make scores from array-likes; without ``cluster``, the rows have no clusters.

        >>> Scores.of([0.5, 2]).cluster.tolist()
        [-1, -1]
        """
        scores = np.asarray(values, np.float64)
        labels = np.full(scores.shape, -1) if cluster is None else np.asarray(cluster)
        return cls(scores, labels.astype(np.int32))


class Scorer(Protocol):
    """Scores the events of a window against each other."""

    def score(self, rows: pa.RecordBatch) -> Scores:
        """Score each row. ``rows``: at least one embedded event, in (``ts``, ``id``) order.

        The order makes a replay of a window give the same scores.
        """


@runtime_checkable
class SegmentScorer(Scorer, Protocol):
    """A scorer that scores the windows of many keys in one call."""

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        """Score each row against the rows of its segment, as :meth:`Scorer.score` scores the segment alone.

        ``rows``: embedded events. ``offsets``: ``(k + 1,)``; the segment ``i``, one window of one key, is the
        rows from ``offsets[i]`` up to but without ``offsets[i + 1]``: at least one row, in (``ts``, ``id``)
        order. The first offset is 0, the last one ``len(rows)``.
        """


def score_segments(scorer: Scorer, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
    """Score each segment of ``rows`` by itself (see :class:`SegmentScorer`), with any scorer.

    >>> from dataflow.score.scorers.distance import MeanScorer
    >>> from dataflow.settings import Score
    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [2, 1]], pa.list_(pa.float32(), 2))
    >>> rows = pa.record_batch({"embedding": vectors})
    >>> score_segments(MeanScorer(Score()), rows, np.array([0, 2, 4])).values.tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    if isinstance(scorer, SegmentScorer):
        return scorer.score_segments(rows, offsets)
    if len(offsets) == 2:
        return scorer.score(rows)
    bounds = itertools.pairwise(offsets.tolist())
    return joined([scorer.score(rows.slice(start, stop - start)) for start, stop in bounds])


def joined(scores: Sequence[Scores]) -> Scores:
    """The scores of several segments, at least one, as those of all rows.

    >>> joined([Scores.of([1]), Scores.of([2, 3])]).values.tolist()
    [1.0, 2.0, 3.0]
    """
    return Scores(
        np.concatenate([each.values for each in scores]), np.concatenate([each.cluster for each in scores])
    )


def whole(rows: pa.RecordBatch) -> Int64s:
    """The offsets of ``rows`` as one segment.

    >>> whole(pa.record_batch({"id": ["a", "b"]})).tolist()
    [0, 2]
    """
    return np.array([0, len(rows)])
