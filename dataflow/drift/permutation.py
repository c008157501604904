"""How far two samples lie apart, and how often chance takes them so far.

Two statistics: the squared distance of the two centroids (the maximum mean discrepancy with the linear
kernel, Gretton et al., 2012), and for each cluster the squared difference of its shares (the chi-square of a
table of 2 x 2, if each block is one row). Each is divided by the variance of the difference, as the blocks of
the two samples show it. So the permutation stays right for large samples if one sample varies more than the
other (Chung and Romano, 2013), as a stretch of a log varies more than a random sample of a log. If the blocks
of both samples can be exchanged, the permutation is exact for samples of any size.

Blocks trade places between the samples. The largest value over the clusters corrects the p-value of each
cluster for the number of clusters (Westfall and Young, 1993).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.drift.blocks import Blocks, Integers
from dataflow.drift.simulation import Doubles, largest, simulated

#: The products of all blocks are worth their cost for more permutations than these.
_FEW = 25
#: A backtest seldom needs more permutations than these.
_FIRST = 5
#: Float64 holds integers below exactly, and the differences of two of them.
_EXACT = 2.0**52


class Found(NamedTuple):
    """P-values in (0, 1]: ``centroid``, and ``clusters``, ``(c,)``, corrected for their number.
    ``lowest``: the lowest of all, where values above all permutations have the p-value of a tail.
    ``length``: the rows of the blocks that were exchanged. ``draws``: how many permutations there were.
    """

    centroid: float
    clusters: Doubles
    lowest: float
    length: int
    draws: int


def permuted(
    before: Blocks, now: Blocks, *, inflation: float, seed: int, most: int, alarming: float = 1.0
) -> Found:
    """Compare two samples with the same ``length`` and the same ``clusters``, each with 2 blocks or more.

    ``inflation``: the values of permutations are multiplied by this number, because blocks depend on each
    other. ``seed``: equal seeds give equal permutations. ``most``: the most permutations, 1 or more.
    ``alarming``: see :func:`~dataflow.drift.simulation.simulated`.
    """
    pair = _Pair(before, now)

    def draw(rng: np.random.Generator, count: int) -> Doubles:
        return largest(pair.statistics(pair.permutation(rng, count)) * inflation, first=1)

    p, tails, draws = simulated(
        pair.statistics(pair.observed)[0], draw, seed=seed, most=most, alarming=alarming, few=_FIRST
    )
    return Found(float(p[0]), p[1:], float(tails.min()), now.length, draws)


class _Pair:
    """The blocks of both samples, centred by the mean of all rows. All sums are multiplied by the number of
    rows, which the statistics do not depend on: so they are integers, and equal rows give zeros.

    Float64 holds these integers exactly, up to some millions of rows.
    """

    def __init__(self, before: Blocks, now: Blocks) -> None:
        self._counts = np.concatenate([before.counts, now.counts]).astype(np.float64)
        self._rows = float(self._counts.sum())
        #: Not centred: few permutations are centred faster than all blocks.
        self._sums = _both(before.sums, now.sums)
        self._total: Doubles = np.ones(len(self._sums)) @ self._sums
        members = _both(before.members, now.members)
        self._members = self._centred(members, self._counts, members.sum(axis=0))
        #: Known after the first statistics, of which there are few.
        self._products: Doubles | None = None
        self._squares = np.column_stack([self._squared_lengths(), self._members**2])
        self.observed = np.arange(len(self._counts))[None, :] >= len(before.counts)

    def _centred(self, sums: Doubles, counts: Doubles, total: Doubles) -> Doubles:
        """``sums``, ``(n, d)``, of ``counts``, ``(n,)``, rows each. ``total``: ``(d,)``, of all rows."""
        centred = sums * self._rows
        centred -= counts[:, None] * total
        return centred

    def _squared_lengths(self) -> Doubles:
        """``(b,)``, of the centred sums."""
        lengths = np.einsum("ij,ij->i", self._sums, self._sums) * self._rows**2
        both = self._sums @ self._total * self._counts * (2 * self._rows)
        of_mean = (self._total @ self._total) * self._counts**2
        found: Doubles = lengths - both + of_mean
        if max(lengths.max(), np.abs(both).max(), of_mean.max()) >= _EXACT:
            centred = self._centred(self._sums, self._counts, self._total)
            found = np.einsum("ij,ij->i", centred, centred)
        return found

    def permutation(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
        """``(count, b)``: which blocks belong to the second sample: those with the lowest random numbers."""
        second = int(self.observed.sum())
        numbers = rng.random((count, self.observed.shape[1]))
        chosen: npt.NDArray[np.bool_] = numbers <= np.partition(numbers, second - 1, axis=1)[:, [second - 1]]
        return chosen

    def statistics(self, chosen: npt.NDArray[np.bool_]) -> Doubles:
        """``(P, 1 + c)``: the statistics of the centroids and of each cluster. ``chosen``: ``(P, b)``."""
        weights = chosen.astype(np.float64)
        second = (weights @ self._counts)[:, None]
        first = self._counts.sum() - second
        differences = np.column_stack([self._distances(weights), (weights @ self._members) ** 2])
        differences *= (1 / first + 1 / second) ** 2
        squares = weights @ self._squares
        variances = squares / second**2 + (self._squares.sum(axis=0) - squares) / first**2
        found: Doubles = np.divide(
            differences, variances, out=np.zeros_like(differences), where=variances > 0
        )
        return found

    def _distances(self, weights: Doubles) -> Doubles:
        """``(P,)``: the squared lengths of the sums of the blocks that have the weight 1."""
        if len(weights) <= _FEW:
            sums = self._centred(weights @ self._sums, weights @ self._counts, self._total)
            lengths: Doubles = np.einsum("ij,ij->i", sums, sums)
            return lengths
        if self._products is None:
            centred = self._centred(self._sums, self._counts, self._total)
            self._products = centred @ centred.T
        found: Doubles = np.einsum("ij,ij->i", weights @ self._products, weights)
        return found


def _both(before: Integers, now: Integers) -> Doubles:
    """``(b, d)``: the blocks of both samples."""
    found = np.empty((len(before) + len(now), before.shape[1]))
    found[: len(before)], found[len(before) :] = before, now
    return found
