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
from dataflow.drift.simulation import TOGETHER, Doubles, largest, simulated


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


def permuted(before: Blocks, now: Blocks, *, inflation: float, seed: int, most: int) -> Found:
    """Compare two samples with the same ``length`` and the same ``clusters``, each with 2 blocks or more.

    ``inflation``: the values of permutations are multiplied by this number, because blocks depend on each
    other. ``seed``: equal seeds give equal permutations. ``most``: the most permutations, 1 or more.
    """
    pair = _Pair(before, now)

    def draw(rng: np.random.Generator) -> Doubles:
        return largest(pair.statistics(pair.permutation(rng)) * inflation, first=1)

    p, tails, draws = simulated(pair.statistics(pair.observed)[0], draw, seed=seed, most=most)
    return Found(float(p[0]), p[1:], float(tails.min()), now.length, draws)


class _Pair:
    """The blocks of both samples, centred by the mean of all rows."""

    def __init__(self, before: Blocks, now: Blocks) -> None:
        self._counts = np.concatenate([before.counts, now.counts]).astype(np.float64)
        sums = self._centred(np.concatenate([before.sums, now.sums]))
        self._members = self._centred(np.concatenate([before.members, now.members]))
        self._products = sums @ sums.T
        self._squares = np.column_stack([np.diag(self._products), self._members**2])
        self.observed = np.arange(len(self._counts))[None, :] >= len(before.counts)

    def _centred(self, sums: Integers) -> Doubles:
        # In integers, so that equal rows give zeros.
        counts = self._counts.astype(np.int64)
        rows = int(counts.sum())
        centred: Doubles = (rows * sums - counts[:, None] * sums.sum(axis=0)).astype(np.float64) / rows
        return centred

    def permutation(self, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """``(TOGETHER, b)``: which blocks belong to the second sample."""
        return rng.permuted(np.repeat(self.observed, TOGETHER, axis=0), axis=1)

    def statistics(self, chosen: npt.NDArray[np.bool_]) -> Doubles:
        """``(P, 1 + c)``: the statistics of the centroids and of each cluster. ``chosen``: ``(P, b)``."""
        weights = chosen.astype(np.float64)
        second = (weights @ self._counts)[:, None]
        first = self._counts.sum() - second
        distances = np.einsum("ij,ij->i", weights @ self._products, weights)
        differences = np.column_stack([distances, (weights @ self._members) ** 2])
        differences *= (1 / first + 1 / second) ** 2
        squares = weights @ self._squares
        variances = squares / second**2 + (self._squares.sum(axis=0) - squares) / first**2
        found: Doubles = np.divide(
            differences, variances, out=np.zeros_like(differences), where=variances > 0
        )
        return found
