"""The seeds of scikit-learn's ``KMeans``: the events where the centroids begin.

They are those of the greedy k-means++ (Arthur and Vassilvitskii, "k-means++: the advantages of careful
seeding", 2007). The first seed is any event. For each other seed some candidates are drawn, far events more
often: the probability of an event is in proportion to its squared distance to the nearest seed. The candidate
that makes the sum of these squares the smallest becomes the seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Bools, Int64s, Vectors
from dataflow.score.scorers.pairs import Doubles, squared_distances

_Floats = npt.NDArray[np.float32]

#: How far a sum of ``n`` float32 may be off, relative to the sum and to the square root of ``n``: nine times
#: the standard deviation.
_SUM_ERROR = 2 * float(np.finfo(np.float32).eps)


class Draws(NamedTuple):
    """The random numbers that ``KMeans`` draws for a window of one size.

    ``first``: the event that is the first seed. ``shares``: ``(clusters - 1, trials)`` float64 in [0, 1), for
    each of the other seeds a number for each candidate.
    """

    first: int
    shares: Doubles

    @classmethod
    def of(cls, events: int, clusters: int, seed: int) -> "Draws":
        """What ``KMeans(clusters, random_state=seed)`` draws for a window of ``events`` events."""
        random = np.random.RandomState(seed)
        first = int(random.choice(events, p=np.full(events, 1 / np.float32(events), np.float32)))
        return cls(first, random.uniform(size=(clusters - 1, 2 + int(np.log(clusters)))))


def find_seeds(
    windows: Sequence[Vectors], dots: Doubles, error: Doubles, first: Int64s, clusters: int, seed: int
) -> Int64s:
    """``(w, clusters)`` the seeds of each window.

    ``windows``: the embeddings of ``w`` windows, ``(n, dim)`` each. ``dots``: ``(w, n, n)``, their dot
    products; ``error``: ``(w,)``, how far these may be off. ``first``: ``(w, n)``, for each event the first
    event of the window that equals it.
    """
    draws = Draws.of(dots.shape[1], clusters, seed)
    seeds, certain = _together(dots, error, first, draws)
    for window in np.flatnonzero(~certain).tolist():
        seeds[window] = _alone(windows[window], draws)
    return seeds


def _together(dots: Doubles, error: Doubles, first: Int64s, draws: Draws) -> tuple[Int64s, Bools]:
    """The seeds of all windows, and ``(w,)`` whether rounding can change nothing."""
    windows, events = np.arange(len(dots))[:, None], dots.shape[1]
    squares = squared_distances(dots)
    chosen = np.empty((len(dots), len(draws.shares) + 1), np.int64)
    chosen[:, 0] = draws.first
    certain, nearest = np.ones(len(dots), np.bool_), squares[:, draws.first]
    for seed, shares in enumerate(draws.shares, 1):
        total = nearest.sum(axis=1, keepdims=True)
        margin = np.sqrt(events) * _SUM_ERROR * total + events * error[:, None]
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
    last: Int64s = np.minimum(places, sums.shape[1] - 1)
    return last


def _alone(window: Vectors, draws: Draws) -> Int64s:
    """``(clusters,)`` the seeds of one window, with each number rounded as scikit-learn rounds it.

    Candidates are often as good as each other: for example the two events of a pair that is far from all
    others. Then the last bit decides, and that bit depends on the order and on the shapes of the operations.
    """
    centred = (window - window.mean(axis=0)).astype(np.float64)
    lengths, ones = np.einsum("ij,ij->i", centred, centred), np.ones(len(window), np.float32)

    def squares(events: Int64s) -> _Floats:
        distances = -2 * (centred[events] @ centred.T)
        distances += lengths[events][:, None]
        distances += lengths
        rounded: _Floats = np.maximum(distances.astype(np.float32), np.float32(0))
        return rounded

    seeds = [draws.first]
    nearest = squares(np.array(seeds))
    total = nearest @ ones
    for shares in draws.shares:
        places = np.searchsorted(np.cumsum(nearest), shares * total)
        candidates = np.minimum(places, len(window) - 1)
        closer = np.minimum(nearest, squares(candidates))
        totals = closer @ ones[:, None]
        best = int(totals.argmin())
        nearest, total = closer[best], totals[best]
        seeds.append(int(candidates[best]))
    return np.array(seeds)
