"""Clusters whose shares are compared: fitted on a sample of earlier events, and kept for many windows.

All distances are exact, so equal events are in the same cluster whatever the batch. Source of the seeds:
Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.
"""

from typing import NamedTuple

import numpy as np

from dataflow.drift.blocks import Integers
from dataflow.items.fixed import LENGTH, Fixed, squared, to_fixed

#: So many events are compared with centroids at a time, which bounds the memory.
_BLOCK = 4096
_MOST_ITERATIONS = 20


class Assigned(NamedTuple):
    """``clusters``: ``(n,)``, the nearest centroid of each event. ``squares``: ``(n,)``, its squared distance
    in units of ``1 / LENGTH**2``.
    """

    clusters: Integers
    squares: Integers

    @property
    def inertia(self) -> float:
        """The mean squared distance to the nearest centroid, in [0, 4]."""
        return float(self.squares.mean()) / LENGTH**2


def assign(vectors: Fixed, centroids: Fixed) -> Assigned:
    """The nearest of ``centroids``, ``(k, dim)``, of each event; the first of equally near ones.

    >>> assign(np.array([[4000, 0], [0, 4000]], np.int16), np.array([[0, 4000]], np.int16)).squares.tolist()
    [32000000, 0]
    """
    clusters, squares = np.empty((2, len(vectors)), np.int64)
    for at in range(0, len(vectors), _BLOCK):
        found = squared(vectors[at : at + _BLOCK], centroids)
        clusters[at : at + _BLOCK] = found.argmin(axis=1)
        squares[at : at + _BLOCK] = found.min(axis=1)
    return Assigned(clusters, squares)


def fit(vectors: Fixed, count: int, seed: int) -> Fixed:
    """``(k, dim)``, ``k`` up to ``count``: the centroids of clusters of ``vectors``, of which there are 1 or
    more. A centroid has the length of an event. Equal seeds give equal centroids.
    """
    centroids = _seeds(vectors, count, seed)
    before: Integers | None = None
    for _ in range(_MOST_ITERATIONS):
        clusters = assign(vectors, centroids).clusters
        if before is not None and (clusters == before).all():
            break
        before = clusters
        means = np.zeros(centroids.shape, np.float32)
        for cluster in range(len(centroids)):
            mine = vectors[clusters == cluster]
            means[cluster] = mine.mean(axis=0, dtype=np.float64) if len(mine) else centroids[cluster]
        centroids = to_fixed(means)
    return centroids


def _seeds(vectors: Fixed, count: int, seed: int) -> Fixed:
    rng = np.random.default_rng(seed)
    chosen = [int(rng.integers(len(vectors)))]
    nearest = squared(vectors, vectors[chosen])[:, 0].astype(np.int64)
    while len(chosen) < count and nearest.any():
        # In integers, so that the choice does not depend on how sums are rounded.
        total = np.cumsum(nearest)
        chosen.append(int(total.searchsorted(int(rng.integers(int(total[-1]))), "right")))
        nearest = np.minimum(nearest, squared(vectors, vectors[chosen[-1:]])[:, 0])
    return vectors[chosen]
