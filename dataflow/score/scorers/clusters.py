"""The clusters of scikit-learn's ``KMeans`` for many small windows at once.

scikit-learn takes milliseconds for a window of 30 events, nearly all of them before and after the arithmetic.
Here many windows of one size go through each step of the same algorithm together: the same seeds
(:mod:`dataflow.score.scorers.seeds`), then Lloyd's iterations. All steps read the dot products of a window's
events, which are computed once.

The algorithm is a sequence of choices. Where rounding could turn a choice, the window is not certain, and
scikit-learn itself has to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from dataflow.items.arrays import Bools, Int64s, Vectors
from dataflow.score.scorers.pairs import Doubles, dot_products
from dataflow.score.scorers.seeds import find_seeds

#: How far a dot product of float64 may be off, relative to the lengths of the vectors.
_DOT_ERROR = 1e-14
#: How far scikit-learn's float32 distance of an event and a centroid may be off, relative to their lengths:
#: thirty times what was seen.
_DISTANCE_ERROR = 3e-6
#: ``tol`` of ``KMeans``, relative to the variance: it stops when the centroids move less.
_TOLERANCE = 1e-4
#: How far scikit-learn may be off when it finds how far centroids moved, relative to the tolerance.
_MOVED_ERROR = 0.02
#: Windows that need more iterations are left to scikit-learn.
_MOST_ITERATIONS = 30


class Clusters(NamedTuple):
    """The clusters of ``w`` windows of ``n`` events.

    ``labels``: ``(w, n)`` int64, the cluster of each event. ``distances``: ``(w, n)`` float64, the Euclidean
    distance of each event to the centroid of its cluster. ``certain``: ``(w,)``; where it is false, the other
    two mean nothing.
    """

    labels: Int64s
    distances: Doubles
    certain: Bools


def cluster(windows: Sequence[Vectors], first: Int64s, clusters: int, seed: int) -> Clusters:
    """Cluster each window as ``KMeans(clusters, random_state=seed)`` does.

    ``windows``: the embeddings of ``w`` windows, ``(n, dim)`` each, with more than ``clusters`` distinct
    events. ``first``: ``(w, n)``, for each event the first event of the window that equals it.
    """
    dots = np.stack([dot_products(window) for window in windows])
    error = _DOT_ERROR * dots.diagonal(axis1=1, axis2=2).max(axis=1)
    # The mean moves to zero, as in scikit-learn, which then rounds less.
    means = dots.mean(axis=1)
    dots = dots - means[:, :, None] - means[:, None, :] + means.mean(axis=1)[:, None, None]
    variance = dots.diagonal(axis1=1, axis2=2).mean(axis=1)
    seeds = find_seeds(windows, dots, error, first, clusters, seed)
    found = _iterate(dots, seeds, _TOLERANCE / windows[0].shape[1] * variance)
    # The products of events that are nearly equal leave no difference to see.
    return found._replace(certain=found.certain & (error < _DISTANCE_ERROR * variance))


@dataclass
class _Open:
    """The windows whose clusters are not found yet, ``w`` of them.

    A centroid is a mean of events, so a window's centroids are known by the share of each event in each.
    """

    #: ``(w,)``: which windows they are.
    at: Int64s
    #: ``(w, n, n)``
    dots: Doubles
    #: ``(w,)``: a window ends when the squares of how far its centroids move add up to no more.
    tolerance: Doubles
    #: ``(w, n, clusters)``: the share of each event in each centroid.
    shares: Doubles
    #: ``(w, n, clusters)``: the dot product of each event and each centroid.
    products: Doubles
    #: ``(w, n)``: the last cluster of each event.
    labels: Int64s
    #: ``(w,)``: whether the next iteration is the last one.
    is_last: Bools

    def keep(self, which: Bools) -> None:
        """Forget the windows where ``which``, ``(w,)``, is false."""
        if not which.all():
            for field in fields(self):
                setattr(self, field.name, getattr(self, field.name)[which])

    def move(self) -> Bools:
        """Move each centroid to the mean of its cluster. Returns ``(w,)``, whether this is certain."""
        is_member = self.labels[:, :, None] == np.arange(self.shares.shape[2])
        sizes = np.count_nonzero(is_member, axis=1, keepdims=True)
        shares = is_member / np.maximum(sizes, 1)
        products = self.dots @ shares
        moved = ((shares - self.shares) * (products - self.products)).sum(axis=(1, 2))
        self.shares, self.products, self.is_last = shares, products, moved <= self.tolerance
        # scikit-learn moves the centroid of an empty cluster to a far event.
        is_certain: Bools = (sizes > 0).all(axis=(1, 2))
        is_certain &= abs(moved - self.tolerance) > _MOVED_ERROR * self.tolerance
        return is_certain


def _iterate(dots: Doubles, seeds: Int64s, tolerance: Doubles) -> Clusters:
    """Lloyd's iterations from the events ``seeds`` on, until the clusters stay the same or hardly move."""
    windows = len(dots)
    none = np.zeros(windows, np.bool_)
    found = Clusters(np.zeros(dots.shape[:2], np.int64), np.zeros(dots.shape[:2]), none.copy())
    shares = (np.arange(dots.shape[1])[:, None] == seeds[:, None, :]).astype(np.float64)
    labels = np.full(dots.shape[:2], -1)
    run = _Open(np.arange(windows), dots, tolerance, shares, dots @ shares, labels, none)
    for _ in range(_MOST_ITERATIONS):
        lengths = run.dots.diagonal(axis1=1, axis2=2)
        centroids = (run.shares * run.products).sum(axis=1, keepdims=True)
        squares = lengths[:, :, None] - 2 * run.products + centroids
        before, run.labels = run.labels, squares.argmin(axis=2)
        is_clear = _is_clear(squares, run.labels, lengths, run.shares)
        ends = is_clear & (run.is_last | (run.labels == before).all(axis=1))
        found.labels[run.at[ends]] = run.labels[ends]
        found.distances[run.at[ends]] = np.sqrt(np.maximum(squares[ends].min(axis=2), 0))
        found.certain[run.at[ends]] = True
        run.keep(is_clear & ~ends)
        if not len(run.at):
            break
        run.keep(run.move())
    return found


def _is_clear(squares: Doubles, labels: Int64s, lengths: Doubles, shares: Doubles) -> Bools:
    """``(w,)`` whether each event of a window is clearly nearest to one centroid.

    scikit-learn rounds at the size of the vectors that are added up, not of the centroid that they make.
    """
    # Rounding can make the squared length of an event at the mean negative.
    lengths = np.maximum(lengths, 0)[:, :, None]
    size = np.sqrt((lengths * shares).sum(axis=1, keepdims=True))
    error = _DISTANCE_ERROR * size * (np.sqrt(lengths) + size)
    label = labels[:, :, None]
    nearest, its_error = (np.take_along_axis(array, label, axis=2) for array in (squares, error))
    is_near = squares - nearest <= error + its_error
    clear: Bools = (np.count_nonzero(is_near, axis=2) == 1).all(axis=1)
    return clear
