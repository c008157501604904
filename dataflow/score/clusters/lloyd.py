"""Lloyd's iterations from given centroids.

One pass reads the rows in blocks that stay in the cache of the processor, and copies nothing: a warm fit of
100,000 rows of 768 floats takes no memory beside the rows. Sums are added up in float64.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Int64s, Vectors

Doubles = npt.NDArray[np.float64]

#: How many rows a block has.
_BLOCK_ROWS = 512
#: The iterations end when one of them makes the inertia smaller by no more than this share.
_LEAST_GAIN = 2e-4
#: The iterations end after so many, as by default in scikit-learn.
_MOST_ITERATIONS = 300


class Fit(NamedTuple):
    """The clusters of a matrix of ``n`` rows.

    ``centroids``: ``(k, dim)`` float64. ``labels``: ``(n,)`` int64, the nearest centroid of each row.
    ``sizes``: ``(k,)`` int64, the rows of each cluster, 0 or more. ``sums``: ``(k, dim)`` float64, the sum of
    these rows. ``length``: the sum of the squared lengths of all rows. ``inertia``: the sum of the squared
    distances of the rows to their centroids, 0 or more.
    """

    centroids: Doubles
    labels: Int64s
    sizes: Int64s
    sums: Doubles
    length: float
    inertia: float

    def means(self) -> Doubles:
        """``(k, dim)`` the mean of each cluster. An empty cluster keeps its centroid.

        >>> fit = assign(np.array([[0, 0], [2, 0], [9, 9]], np.float32), np.array([[0, 0], [9, 8], [5, 99]]))
        >>> fit.means().tolist()
        [[1.0, 0.0], [9.0, 9.0], [5.0, 99.0]]
        """
        has_rows = self.sizes[:, None] > 0
        return np.where(has_rows, self.sums / np.maximum(self.sizes, 1)[:, None], self.centroids)


def assign(vectors: Vectors, centroids: npt.ArrayLike, before: Fit | None = None) -> Fit:
    """Assign each row to its nearest centroid; among equally near ones, to the first of them.

    ``vectors``: ``(n, dim)`` float32, ``n >= 1``. ``centroids``: ``(k, dim)``, ``k >= 1``. ``before``: a fit
    of the same rows with as many centroids; then only rows that change their cluster are added up again.

    >>> fit = assign(np.array([[0, 0], [2, 0], [9, 9]], np.float32), [[0, 0], [9, 8]])
    >>> fit.labels.tolist(), fit.sizes.tolist(), fit.inertia
    ([0, 0, 1], [2, 1], 5.0)
    """
    exact = np.asarray(centroids, np.float64)
    # ||x - c||^2 = ||x - m||^2 + (||c||^2 - ||m||^2 - 2 x.(c - m)) for the mean m of the centroids: where
    # all rows are near m, the last term is small, so its float32 product is exact enough.
    middle = exact.mean(axis=0)
    factors = np.ascontiguousarray(-2 * (exact - middle).T, np.float32)
    constants = ((exact**2).sum(axis=1) - middle @ middle).astype(np.float32)
    labels, numbers = np.empty(len(vectors), np.int64), np.arange(len(exact))[:, None]
    sums = np.zeros(exact.shape) if before is None else before.sums.copy()
    length, nearest = 0.0 if before is None else before.length, 0.0
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        squares = block @ factors
        squares += constants
        found = squares.argmin(axis=1)
        labels[start : start + _BLOCK_ROWS] = found
        nearest += float(squares[np.arange(len(block)), found].sum(dtype=np.float64))
        if before is None:
            sums += (numbers == found).astype(np.float32) @ block
            length += float(np.einsum("ij,ij->i", block, block).sum(dtype=np.float64))
        else:
            old = before.labels[start : start + _BLOCK_ROWS]
            moved = np.flatnonzero(old != found)
            change = np.subtract(numbers == found[moved], numbers == old[moved], dtype=np.float32)
            sums += change @ block[moved]
    around_middle = length - 2 * float(middle @ sums.sum(axis=0)) + len(vectors) * float(middle @ middle)
    sizes = np.bincount(labels, minlength=len(exact))
    return Fit(exact, labels, sizes, sums, length, max(0.0, around_middle + nearest))


def iterate(vectors: Vectors, centroids: npt.ArrayLike, most: int = _MOST_ITERATIONS) -> Fit:
    """Lloyd's iterations: move each centroid to the mean of its cluster, until the inertia stays the same.

    ``vectors``: ``(n, dim)`` float32, ``n >= 1``. ``centroids``: ``(k, dim)``, where the iterations start.
    ``most``: after so many moves the iterations end. Source: Lloyd, "Least squares quantization in PCM",
    1982.

    >>> fit = iterate(np.array([[0, 0], [2, 0], [9, 9]], np.float32), [[0, 0], [9, 0]])
    >>> fit.centroids.tolist(), fit.inertia
    ([[1.0, 0.0], [9.0, 9.0]], 2.0)
    """
    fit = assign(vectors, centroids)
    for _ in range(most):
        moved = assign(vectors, fit.means(), fit)
        is_done = fit.inertia - moved.inertia <= _LEAST_GAIN * fit.inertia
        fit = moved
        if is_done:
            break
    return fit
