"""Scores from the distance to the mean of the window."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores, whole
from dataflow.settings import Score

Doubles = npt.NDArray[np.float64]

#: How many rows are float64 at a time: they stay in the cache of the processor.
_BLOCK_ROWS = 512
#: A segment of so many rows is small.
_SMALL = 8


class MeanScorer:
    """``||x - mean(X)||``, the Euclidean distance of an event ``x`` to the mean of the window ``X``.

    In [0, 2] for unit vectors; 0: the event lies at the mean.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> MeanScorer(Score()).score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.354, 0.354, 0.354, 1.061]
    """

    def __init__(self, options: Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        return self.score_segments(rows, whole(rows))

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        values = np.empty(len(rows))
        for block, vectors, means in _blocks(embeddings(rows), offsets):
            offset = np.subtract(vectors, means, out=means)
            values[block] = np.sqrt(_dots(offset, offset))
        return Scores.of(values)


class CosineScorer:
    """``1 - cos(x, mean(X))``, the cosine distance of an event ``x`` to the mean of the window ``X``.

    In [0, 2]; 0: the event points in the direction of the mean. A zero vector, or any vector if the mean is
    zero, scores 1.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> CosineScorer(Score()).score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.051, 0.051, 0.051, 0.684]
    """

    def __init__(self, options: Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        return self.score_segments(rows, whole(rows))

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        values = np.empty(len(rows))
        for block, vectors, means in _blocks(embeddings(rows), offsets):
            norms = np.sqrt(_dots(vectors, vectors) * _dots(means, means))
            dots = _dots(vectors, means)
            cosine = np.divide(dots, norms, out=np.zeros(len(dots)), where=norms > 0)
            values[block] = np.clip(1.0 - cosine, 0.0, 2.0)
        return Scores.of(values)


def _blocks(vectors: Vectors, offsets: Int64s) -> Iterator[tuple[slice, Doubles, Doubles]]:
    """Blocks of rows: where, the ``(b, dim)`` vectors, and ``(b, dim)`` the mean of each row's segment."""
    means, sizes = _means(vectors, offsets), np.diff(offsets)
    segment = np.repeat(np.arange(len(sizes)), sizes)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        yield block, vectors[block].astype(np.float64), means[segment[block]]


def _means(vectors: Vectors, offsets: Int64s) -> Doubles:
    """``(k, dim)`` the mean of each segment."""
    sums, sizes = np.zeros((len(offsets) - 1, vectors.shape[1])), np.diff(offsets)
    # np.add.reduceat reads a matrix column by column, which takes ten times as long as the two ways below. A
    # call for each segment takes 2 us. So the first rows of all small segments are added at once, then their
    # second rows, and so on.
    small = sizes <= _SMALL
    for place in range(int(sizes[small].max(initial=0))):
        has_row = np.flatnonzero(small & (sizes > place))
        sums[has_row] += vectors[offsets[has_row] + place]
    for segment in np.flatnonzero(~small).tolist():
        np.add.reduce(
            vectors[offsets[segment] : offsets[segment + 1]], axis=0, dtype=np.float64, out=sums[segment]
        )
    return sums / sizes[:, None]


def _dots(left: Doubles, right: Doubles) -> Doubles:
    """``(n,)`` the dot product of each row of ``left`` with the same row of ``right``."""
    dots: Doubles = np.einsum("ij,ij->i", left, right)
    return dots
