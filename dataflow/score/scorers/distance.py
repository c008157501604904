"""Scores from the distance to the mean of the window."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.embedding import embeddings
from dataflow.score.scorers.base import Scores, whole
from dataflow.settings import Score

Doubles = npt.NDArray[np.float64]

#: How many rows are float64 at a time: they stay in the cache of the processor.
_BLOCK_ROWS = 256
#: Segments of up to so many rows on average are small.
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
        sizes = np.diff(offsets)
        # An event that is alone is the mean. Where there are many keys, many events are alone.
        together = np.flatnonzero(np.repeat(sizes > 1, sizes))
        all_vectors = embeddings(rows)
        if len(together) < len(rows):
            all_vectors, offsets = all_vectors[together], np.cumsum([0, *sizes[sizes > 1]])
        distances = np.empty(len(together))
        for block, vectors, means in _blocks(all_vectors, offsets):
            offset = np.subtract(vectors, means, out=vectors)
            distances[block] = np.sqrt(_dots(offset, offset))
        values = np.zeros(len(rows))
        values[together] = distances
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
    """Blocks of rows: where, the ``(b, dim)`` vectors, and ``(b, dim)`` the mean of each row's segment.

    A block has whole segments, or is a part of one segment that is larger than a block.
    """
    first, segments = 0, len(offsets) - 1
    while first < segments:
        start = int(offsets[first])
        last = max(int(offsets.searchsorted(start + _BLOCK_ROWS, "right")) - 1, first + 1)
        stop = int(offsets[last])
        if last == first + 1:
            mean = vectors[start:stop].mean(axis=0, dtype=np.float64)
            for at in range(start, stop, _BLOCK_ROWS):
                block = slice(at, min(at + _BLOCK_ROWS, stop))
                rows = vectors[block].astype(np.float64)
                yield block, rows, np.broadcast_to(mean, rows.shape)
        else:
            rows = vectors[start:stop].astype(np.float64)
            sizes = np.diff(offsets[first : last + 1])
            means = _sums(rows, offsets[first:last] - start, sizes)
            means /= sizes[:, None]
            yield slice(start, stop), rows, means[np.repeat(np.arange(len(sizes)), sizes)]
        first = last


def _sums(rows: Doubles, starts: Int64s, sizes: Int64s) -> Doubles:
    """``(k, dim)`` the sum of the rows of each segment: ``sizes[i]`` rows from ``starts[i]``."""
    # np.add.reduceat reads a matrix column by column, which takes ten times as long as these two ways.
    if len(rows) > _SMALL * len(sizes):
        bounds = zip(starts.tolist(), sizes.tolist(), strict=True)
        return np.array([rows[start : start + size].sum(axis=0) for start, size in bounds])
    # The first rows of all segments at once, then their second rows, and so on.
    sums = rows[starts]
    for place in range(1, int(sizes.max())):
        has_row = np.flatnonzero(sizes > place)
        sums[has_row] += rows[starts[has_row] + place]
    return sums


def _dots(left: Doubles, right: Doubles) -> Doubles:
    """``(n,)`` the dot product of each row of ``left`` with the same row of ``right``."""
    dots: Doubles = np.einsum("ij,ij->i", left, right)
    return dots
