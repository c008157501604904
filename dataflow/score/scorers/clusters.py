"""The clusters of scikit-learn's ``KMeans`` for many small windows at once.

scikit-learn takes milliseconds for a window of 30 events, nearly all of them before and after the arithmetic.
Here many windows of one size go through each step of the same algorithm together: greedy k-means++ (Arthur
and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007) with the same random numbers, then
Lloyd's iterations. All steps read the dot products of a window's events, which are computed once.

The algorithm is a sequence of choices. Where rounding could turn a choice, the window is not certain, and
scikit-learn itself has to decide.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Bools, Int64s

Doubles = npt.NDArray[np.float64]

#: How far sums of float32 may be off, relative to the sum, for each of their terms.
_SUM_ERROR = float(np.finfo(np.float32).eps)
#: How far a dot product of float64 may be off, relative to the lengths of the vectors.
_DOT_ERROR = 1e-13
#: How far scikit-learn's float32 distance of an event and a centroid may be off, relative to their lengths:
#: ten times what was seen.
_DISTANCE_ERROR = 1e-5
#: ``tol`` of ``KMeans``, relative to the variance: it stops when the centroids move less. Here with a margin.
_STILL = 2 * 1e-4
#: Windows that need more iterations are left to scikit-learn.
_MOST_ITERATIONS = 30


class Draws(NamedTuple):
    """The random numbers that ``KMeans`` draws for a window of one size.

    ``first``: the event that is the first seed. ``shares``: ``(clusters - 1, trials)`` float64 in [0, 1), for
    each of the other seeds a number for each candidate.
    """

    first: int
    shares: Doubles

    @classmethod
    def of(cls, events: int, clusters: int, seed: int) -> "Draws":
        random = np.random.RandomState(seed)
        first = int(random.choice(events, p=np.full(events, 1 / np.float32(events), np.float32)))
        return cls(first, random.uniform(size=(clusters - 1, 2 + int(np.log(clusters)))))


class Clusters(NamedTuple):
    """The clusters of ``w`` windows of ``n`` events.

    ``labels``: ``(w, n)`` int64, the cluster of each event. ``distances``: ``(w, n)`` float64, the Euclidean
    distance of each event to the centroid of its cluster. ``certain``: ``(w,)``; where it is false, the other
    two mean nothing.
    """

    labels: Int64s
    distances: Doubles
    certain: Bools


def cluster(dots: Doubles, first: Int64s, clusters: int, seed: int, dim: int) -> Clusters:
    """Cluster each window as ``KMeans(clusters, random_state=seed)`` does.

    ``dots``: ``(w, n, n)``, the dot products of the embeddings of each window, which have ``dim`` numbers.
    ``first``: ``(w, n)``, for each event the first event of the window that equals it. Each window has more
    than ``clusters`` distinct events.
    """
    error = dots.shape[1] * _DOT_ERROR * dots.diagonal(axis1=1, axis2=2).max(axis=1)
    # The mean moves to zero, as in scikit-learn, which then rounds less.
    means = dots.mean(axis=1)
    dots = dots - means[:, :, None] - means[:, None, :] + means.mean(axis=1)[:, None, None]
    seeds, certain = _seeds(dots, error, first, Draws.of(dots.shape[1], clusters, seed))
    return _iterate(dots, seeds, certain, _STILL / dim)


def _seeds(dots: Doubles, error: Doubles, first: Int64s, draws: Draws) -> tuple[Int64s, Bools]:
    """``(w, clusters)`` the events where the centroids begin, and ``(w,)`` whether that is certain.

    ``error``: ``(w,)``, how far a sum of distances may be off that is very small.
    """
    windows, events = np.arange(len(dots))[:, None], dots.shape[1]
    lengths = dots.diagonal(axis1=1, axis2=2)
    squares = np.maximum(lengths[:, :, None] + lengths[:, None, :] - 2 * dots, 0)
    chosen = np.empty((len(dots), len(draws.shares) + 1), np.int64)
    chosen[:, 0] = draws.first
    certain, nearest = np.ones(len(dots), np.bool_), squares[:, draws.first]
    for seed, shares in enumerate(draws.shares, 1):
        total = nearest.sum(axis=1, keepdims=True)
        margin = events * _SUM_ERROR * total + error[:, None]
        sums = np.cumsum(nearest, axis=1)
        candidates = _places(sums, shares * total - margin)
        others = _places(sums, shares * total + margin)
        certain &= (first[windows, candidates] == first[windows, others]).all(axis=1)
        closer = np.minimum(nearest[:, None], squares[windows, candidates])
        totals = closer.sum(axis=2)
        best = totals.argmin(axis=1)[:, None]
        chosen[:, seed] = candidates[windows, best][:, 0]
        is_other = first[windows, candidates] != first[windows, chosen[:, seed, None]]
        certain &= ~(is_other & (totals <= totals[windows, best] + margin)).any(axis=1)
        nearest = closer[windows, best][:, 0]
    return chosen, certain


def _places(sums: Doubles, values: Doubles) -> Int64s:
    """``(w, t)`` for each value, the first of the ascending ``sums`` of its window that is not below it."""
    places = np.count_nonzero(sums[:, None, :] < values[:, :, None], axis=2)
    return np.minimum(places, sums.shape[1] - 1)


def _iterate(dots: Doubles, seeds: Int64s, certain: Bools, still: float) -> Clusters:
    """Lloyd's iterations from the events ``seeds`` on, until the clusters of each window stay the same."""
    each, lengths = np.arange(seeds.shape[1]), dots.diagonal(axis1=1, axis2=2)
    # A centroid is a mean of events: their shares in it are ``weights``, ``(w, n, clusters)``.
    weights = (np.arange(dots.shape[1])[:, None] == seeds[:, None, :]).astype(np.float64)
    products = dots @ weights
    labels = np.full(lengths.shape, -1)
    same = np.zeros_like(certain)
    least = still * lengths.mean(axis=1)
    for _ in range(_MOST_ITERATIONS):
        squares = lengths[:, :, None] - 2 * products + (weights * products).sum(axis=1, keepdims=True)
        before, labels = labels, squares.argmin(axis=2)
        certain &= _is_clear(squares, labels, lengths, weights)
        same = (labels == before).all(axis=1)
        if (same | ~certain).all():
            break
        is_member = labels[:, :, None] == each
        sizes = np.count_nonzero(is_member, axis=1, keepdims=True)
        certain &= (sizes > 0).all(axis=(1, 2))
        last_weights, weights = weights, is_member / np.maximum(sizes, 1)
        last_products, products = products, dots @ weights
        moved = ((weights - last_weights) * (products - last_products)).sum(axis=(1, 2))
        certain &= same | (moved > least)
    nearest = np.take_along_axis(squares, labels[:, :, None], axis=2)[:, :, 0]
    return Clusters(labels, np.sqrt(np.maximum(nearest, 0)), certain & same)


def _is_clear(squares: Doubles, labels: Int64s, lengths: Doubles, weights: Doubles) -> Bools:
    """``(w,)`` whether each event of a window is clearly nearest to one centroid.

    scikit-learn rounds at the size of the vectors that are added up, not of the centroid that they make.
    """
    size = np.sqrt((lengths[:, :, None] * weights).sum(axis=1, keepdims=True))
    error = _DISTANCE_ERROR * size * (np.sqrt(lengths)[:, :, None] + size)
    label = labels[:, :, None]
    nearest, its_error = (np.take_along_axis(array, label, axis=2) for array in (squares, error))
    is_near = squares - nearest <= error + its_error
    clear: Bools = (np.count_nonzero(is_near, axis=2) == 1).all(axis=1)
    return clear
