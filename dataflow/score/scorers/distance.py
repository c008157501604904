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

#: How many rows are float64 at a time. They stay in the cache of the processor, and the next rows use their
#: memory again: larger pieces come from the system anew each time.
_BLOCK_ROWS = 64
#: Segments of up to so many rows are small.
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

    A block has several small segments, or one segment, or a part of one that is larger than a block.
    """
    sizes, bounds = np.diff(offsets), offsets.tolist()
    not_small = [*np.flatnonzero(sizes > _SMALL).tolist(), len(sizes)]
    first = 0
    for other in not_small:
        while first < other:
            room = int(offsets.searchsorted(bounds[first] + _BLOCK_ROWS, "right")) - 1
            last = min(room, other)
            rows = vectors[bounds[first] : bounds[last]].astype(np.float64)
            mine = sizes[first:last]
            means = _sums(rows, offsets[first:last] - bounds[first], mine) / mine[:, None]
            yield slice(bounds[first], bounds[last]), rows, means[np.repeat(np.arange(len(mine)), mine)]
            first = last
        if other < len(sizes):
            yield from _of_one(vectors, bounds[other], bounds[other + 1])
            first = other + 1


def _of_one(vectors: Vectors, start: int, stop: int) -> Iterator[tuple[slice, Doubles, Doubles]]:
    """The blocks of the segment from ``start`` up to but without ``stop``."""
    if stop - start <= _BLOCK_ROWS:
        rows = vectors[start:stop].astype(np.float64)
        yield slice(start, stop), rows, np.broadcast_to(rows.sum(axis=0) / len(rows), rows.shape)
        return
    mean = vectors[start:stop].mean(axis=0, dtype=np.float64)
    for at in range(start, stop, _BLOCK_ROWS):
        block = slice(at, min(at + _BLOCK_ROWS, stop))
        rows = vectors[block].astype(np.float64)
        yield block, rows, np.broadcast_to(mean, rows.shape)


def _sums(rows: Doubles, starts: Int64s, sizes: Int64s) -> Doubles:
    """``(k, dim)`` the sum of the rows of each small segment: ``sizes[i]`` rows from ``starts[i]``."""
    # np.add.reduceat reads a matrix column by column, which takes ten times as long. These are the first rows
    # of all segments at once, then their second rows, and so on.
    sums = rows[starts]
    for place in range(1, int(sizes.max())):
        has_row = np.flatnonzero(sizes > place)
        sums[has_row] += rows[starts[has_row] + place]
    return sums


def _dots(left: Doubles, right: Doubles) -> Doubles:
    """``(n,)`` the dot product of each row of ``left`` with the same row of ``right``."""
    dots: Doubles = np.einsum("ij,ij->i", left, right)
    return dots
