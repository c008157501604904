"""Clusters whose shares are compared: fitted on a sample of earlier events, and kept for many windows.

All distances are exact, so equal events are in the same cluster whatever the batch. Source of the seeds:
Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.
"""

import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.drift.blocks import Integers
from dataflow.items.arrays import Vectors
from dataflow.items.drift import Past
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


class Known:
    """The clusters of sampled events, each found once, as long as neither the pool nor the clusters change.

    The sample of a backtest is of one pool for all windows, so few events of it are new in a window.
    """

    def __init__(self) -> None:
        #: A pool may be large, and may be in use nowhere else.
        self._pool: Callable[[], Fixed | None] = _no_pool
        self._centroids: Fixed | None = None
        #: ``(p,)``: 1 more than the cluster of each event of the pool; 0: it is not known.
        self._found = np.empty(0, np.int16)

    def of(self, past: Past, centroids: Fixed) -> Integers:
        """``(m,)``: the nearest of ``centroids`` of each event."""
        if past.pool is not self._pool() or centroids is not self._centroids:
            self._pool, self._centroids = weakref.ref(past.pool), centroids
            self._found = np.zeros(len(past.pool), np.int16)
        found = self._found[past.rows]
        new = past.rows[found == 0]
        if len(new):
            self._found[new] = assign(past.pool[new], centroids).clusters + 1
            found = self._found[past.rows]
        return found.astype(np.int64) - 1


def _no_pool() -> None:
    return None


def fit(vectors: Fixed, count: int, seed: int) -> Fixed:
    """``(k, dim)``, ``k`` up to ``count``: the centroids of clusters of ``vectors``, of which there are 1 or
    more. A centroid has the length of an event. Equal seeds give equal centroids.
    """
    centroids = _seeds(vectors, count, seed)
    events = vectors.astype(np.float32)
    before: Integers | None = None
    for _ in range(_MOST_ITERATIONS):
        clusters = _nearest(events, centroids)
        if before is not None and (clusters == before).all():
            break
        before = clusters
        sizes = np.bincount(clusters, minlength=len(centroids))[:, None]
        totals = _totals(events, clusters, len(centroids))
        means = np.divide(totals, sizes, where=sizes > 0, out=centroids.astype(np.float64))
        centroids = to_fixed(means.astype(np.float32))
    return centroids


def _nearest(events: Vectors, centroids: Fixed) -> Integers:
    """``(n,)``: what :func:`assign` says of ``events``, vectors in float32."""
    known = centroids.astype(np.float32)
    # Without the length of the event, which is a part of each of its distances.
    squares = (events @ known.T).astype(np.int32)
    squares *= -2
    squares += np.einsum("ij,ij->i", known, known).astype(np.int32)
    found: Integers = squares.argmin(axis=1)
    return found


def _totals(events: Vectors, clusters: Integers, count: int) -> npt.NDArray[np.float64]:
    """``(count, dim)``: the sums of the events of each cluster."""
    totals = np.zeros((count, events.shape[1]))
    for at in range(0, len(events), _BLOCK):
        # Float32 holds the sums of so many components exactly.
        members = (clusters[at : at + _BLOCK] == np.arange(count)[:, None]).astype(np.float32)
        totals += members @ events[at : at + _BLOCK]
    return totals


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
