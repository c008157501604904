"""Splits and merges: how clusters leave a poor optimum.

Lloyd's iterations move a centroid to the rows that are near it. So when a topic vanishes and another appears
elsewhere, the centroid of the first stays without use, and the new topic shares a centroid with an old one.
Here one cluster is split in two, and two clusters become one, if this makes the inertia clearly smaller.

Sources: Ward, "Hierarchical grouping to optimize an objective function", 1963 (the cost of a merge); Boley,
"Principal direction divisive partitioning", 1998 (the split); Kaukoranta, Franti and Nevalainen, "Iterative
split-and-merge algorithm for vector quantization codebook generation", 1998.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Vectors
from dataflow.score.clusters.lloyd import Doubles, Fit

#: How often the rows are multiplied with their direction, which brings it near to the principal direction.
_POWERS = 4
#: How often the rows of a split are divided again between the two means.
_TURNS = 2


def ward(sizes: npt.ArrayLike, means: Doubles) -> Doubles:
    """``(k, k)`` how much greater the inertia is when two clusters become one; infinite on the diagonal.

    ``n m / (n + m) ||a - b||^2`` for clusters of ``n`` and ``m`` rows with the means ``a`` and ``b``.
    ``sizes``: ``(k,)``, 0 or more. ``means``: ``(k, dim)`` float64.

    >>> ward([1, 3], np.array([[0.0, 0.0], [2.0, 0.0]])).tolist()
    [[inf, 3.0], [3.0, inf]]
    """
    rows = np.asarray(sizes, np.float64)
    lengths = (means**2).sum(axis=1)
    squares = np.maximum(lengths[:, None] + lengths - 2 * means @ means.T, 0)
    costs: Doubles = rows[:, None] * rows / np.maximum(rows[:, None] + rows, 1) * squares
    np.fill_diagonal(costs, np.inf)
    return costs


def split(vectors: Vectors) -> tuple[float, Doubles]:
    """Split a cluster in two across its principal direction.

    Returns how much smaller the inertia is, and the means of the two parts, ``(2, dim)`` float64. Rows that
    are all equal give 0 and two equal means. ``vectors``: ``(n, dim)`` float32, ``n >= 1``.

    >>> gain, means = split(np.array([[0, 0], [0, 1], [8, 0], [8, 1]], np.float32))
    >>> gain, sorted(means.tolist())
    (64.0, [[0.0, 0.5], [8.0, 0.5]])
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    rest = vectors - mean.astype(np.float32)
    direction = rest[int(np.einsum("ij,ij->i", rest, rest).argmax())]
    for _ in range(_POWERS):
        direction = (rest @ direction) @ rest
        length = np.linalg.norm(direction)
        if not length > 0:
            return 0.0, np.stack([mean, mean])
        direction = direction / length
    middle, parts = np.float32(0), np.zeros((2, vectors.shape[1]))
    for _ in range(_TURNS):
        is_right = rest @ direction > middle
        right = np.count_nonzero(is_right)
        if right in (0, len(rest)):
            return 0.0, np.stack([mean, mean])
        # The rows of ``rest`` add up to zero.
        total = (is_right.astype(np.float32) @ rest).astype(np.float64)
        parts = np.stack([-total / (len(rest) - right), total / right])
        direction = (parts[1] - parts[0]).astype(np.float32)
        middle = np.float32((parts[1] @ parts[1] - parts[0] @ parts[0]) / 2)
    return float(ward([len(rest) - right, right], parts)[0, 1]), mean + parts


def improve(vectors: Vectors, fit: Fit, clusters: int, least_gain: float) -> Doubles | None:
    """The centroids after the splits and merges that pay, ``(k, dim)`` with ``k <= clusters``; else ``None``.

    Empty clusters are dropped. As many clusters are split as are missing, first those whose split gains most.
    Then a cluster is split while two others are merged, as long as this makes the inertia smaller by more
    than the share ``least_gain``. A cluster takes part only once. A part of a cluster that is split is not
    merged with another cluster, so a poor optimum of this kind remains.

    ``vectors``: ``(n, dim)`` float32; ``fit``: its clusters, at most ``clusters``.

    >>> rows = np.array([[0, 0], [1, 0], [50, 0], [51, 0], [80, 0], [81, 0]], np.float32)
    >>> from dataflow.score.clusters.lloyd import assign
    >>> better = improve(rows, assign(rows, [[0, 0], [1, 0], [65, 0]]), 3, 1e-3)
    >>> sorted(better.tolist())
    [[0.5, 0.0], [50.5, 0.0], [80.5, 0.0]]
    """
    at = np.flatnonzero(fit.sizes)
    sizes, means = fit.sizes[at], fit.means()[at]
    found = [split(vectors[fit.labels == label]) for label in at.tolist()]
    gains = np.array([gain for gain, _ in found])
    order = np.argsort(-gains, kind="stable").tolist()
    free = [each for each in order[: clusters - len(at)] if gains[each] > 0]
    costs = ward(sizes, means)
    costs[free] = costs[:, free] = np.inf
    pairs = _pairs([each for each in order if each not in free], gains, costs, least_gain * fit.inertia)
    changes = list(pairs)
    if not free and not changes:
        return None if len(at) == len(fit.sizes) else means
    parted = free + [apart for apart, _, _ in changes]
    for apart in parted:
        means[apart] = found[apart][1][0]
    for _, kept, gone in changes:
        weights = sizes[[kept, gone]]
        means[kept] = (weights[:, None] * means[[kept, gone]]).sum(axis=0) / weights.sum()
    others = np.delete(means, [gone for _, _, gone in changes], axis=0)
    return np.concatenate([others, [found[apart][1][1] for apart in parted]])


def _pairs(order: list[int], gains: Doubles, costs: Doubles, least: float) -> Iterator[tuple[int, int, int]]:
    """Clusters ``(apart, kept, gone)``: the first is split, the other two become one. Changes ``costs``."""
    for apart in order:
        if np.isinf(costs[apart]).all():
            continue
        costs[apart] = costs[:, apart] = np.inf
        kept, gone = np.unravel_index(int(costs.argmin()), costs.shape)
        if not gains[apart] - costs[kept, gone] > least:
            return
        costs[[kept, gone]] = costs[:, [kept, gone]] = np.inf
        yield apart, int(kept), int(gone)
