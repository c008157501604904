"""A window beside an earlier window, or beside a reference.

For each window of a key::

    window = cut(vectors, clusters)
    blocks = dependence(learnt, window.length)
    beside_window(before, window, blocks, seed=seed_of(key, end_us))
    beside_reference(Sample(vectors, clusters), window, blocks, seed=...)
    learnt = learn(learnt, taught(window))

A key keeps ``learnt``, and the blocks of the windows that later windows are compared with: no rows.
"""

import hashlib
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.drift.blocks import LEAST, Blocks, Integers, cut, joined, shortest, with_clusters
from dataflow.drift.dependence import Dependence
from dataflow.drift.permutation import Found, permuted
from dataflow.drift.shares import share_p_values
from dataflow.drift.simulation import Doubles
from dataflow.items.fixed import LENGTH, Fixed

#: The blocks of a reference. Rows beyond are left out, because the cost grows with the square of the blocks.
_LEAST_OF_REFERENCE, _MOST_OF_REFERENCE = 20, 256
#: The most draws of a test.
_DRAWS = 9_999


class Sample(NamedTuple):
    """``vectors``: ``(m, dim)``, in time order; or with more rows, of which the sample has ``rows``,
    ``(m,)``. ``clusters``: ``(m,)``, the cluster number of each row of the sample.
    """

    vectors: Fixed
    clusters: npt.ArrayLike
    rows: Integers | None = None

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.vectors if self.rows is None else self.rows)


class Change(NamedTuple):
    """The share of a cluster in both samples, in [0, 1]. ``p_value``: corrected for the number of
    clusters.
    """

    cluster: int
    before: float
    now: float
    p_value: float

    @property
    def kind(self) -> str:
        """``new``, ``gone``, ``grew`` or ``faded``."""
        if not self.before or not self.now:
            return "gone" if self.before else "new"
        return "grew" if self.now >= self.before else "faded"

    @property
    def effect(self) -> float:
        """The difference of the shares, in standard deviations of an event's membership; 0 or more.

        >>> [round(Change(0, before, before + 0.21, 0.01).effect, 2) for before in (0.05, 0.37)]
        [0.58, 0.42]
        """
        mean = (self.before + self.now) / 2
        return abs(self.now - self.before) / math.sqrt(mean * (1 - mean)) if 0 < mean < 1 else 0.0


def by_certainty(change: Change) -> tuple[float, float, int]:
    """The order of changes: the lowest p-value first, and of equal ones the largest effect."""
    return change.p_value, -change.effect, change.cluster


class Comparison(NamedTuple):
    """``distance``: of the centroids of unit vectors, in [0, 2]. ``p_centroid``: that chance takes the
    centroids so far apart. ``p_clusters``: the lowest p-value of ``changes``, which are ordered by their
    p-value. ``lowest``: what alerts take: the lower of both, still lower if a statistic is above all draws,
    and higher if few blocks of dependent events are compared with a reference. If ``lowest`` is too high for
    an alarm, the distance is not a number, and there are no changes.
    ``block_rows``: the rows of the blocks that were exchanged. ``draws``: how many permutations of blocks
    there were.
    """

    distance: float
    p_centroid: float
    p_clusters: float
    lowest: float
    changes: tuple[Change, ...]
    block_rows: int
    draws: int


def seed_of(key: str, end_us: int) -> int:
    """The seed of the window of ``key`` that ends at ``end_us``, microseconds since the Unix epoch."""
    return int.from_bytes(hashlib.blake2b(f"{end_us} {key}".encode(), digest_size=8).digest(), "big")


def beside_window(
    before: Blocks,
    now: Blocks,
    blocks: Dependence | None,
    *,
    seed: int,
    most: int = _DRAWS,
    alarming: float = 1.0,
) -> Comparison | None:
    """Compare two windows that share no rows. ``None``: a window has fewer than ``LEAST`` blocks that hardly
    depend on each other, so there is no p-value.

    ``blocks``: from :func:`~dataflow.drift.dependence.dependence`, or what a setting says. ``seed``,
    ``most``, ``alarming``: see :func:`~dataflow.drift.simulation.simulated`.
    """
    if blocks is None:
        return None
    length = max(blocks.length, before.length, now.length)
    pair = _aligned(joined(before, length), joined(now, length))
    if min(len(sample.counts) for sample in pair) < LEAST:
        return None
    found = permuted(*pair, inflation=blocks.inflation, seed=seed, most=most, alarming=alarming)
    return _comparison(*pair, found, found.clusters, found.lowest, alarming)


def beside_reference(
    reference: Sample,
    now: Blocks,
    blocks: Dependence | None,
    *,
    seed: int,
    most: int = _DRAWS,
    alarming: float = 1.0,
    events: float = math.inf,
) -> Comparison | None:
    """Compare a window with a random sample of a long past. The rest is as in :func:`beside_window`.

    At most 256 blocks of the sample are exchanged. The shares of clusters are those of the whole sample.
    ``events``: how many events the past has. ``None`` also if these are so few that rows of the sample may
    depend on each other as the rows of a window do.
    """
    if blocks is None or not reference.size:
        return None
    length = max(blocks.length, now.length)
    times = _times(reference, length)
    if times > 1 and events < times * reference.size:
        return None
    some = cut(*reference, max(length // times, 1), _MOST_OF_REFERENCE)
    # Shares have their own test: a permutation takes the absence of a cluster in bursts for certain.
    pair = [_without_clusters(sample) for sample in (_weighed(some, times, length), joined(now, length))]
    if min(len(sample.counts) for sample in pair) < LEAST:
        return None
    found = permuted(*pair, inflation=blocks.inflation, seed=seed, most=most, alarming=alarming)
    is_whole = some.counts.sum() == reference.size
    whole, now = _aligned(some if is_whole else cut(*reference, reference.size), now)
    shares = share_p_values(
        whole.members.sum(axis=0),
        now.members.sum(axis=0),
        worth=max(int(len(pair[1].counts) / blocks.inflation), 1),
        seed=seed,
        most=most,
        alarming=alarming,
    )
    lowest = found.lowest
    if length > shortest(int(now.counts.sum())):
        lowest = of_few_blocks(lowest, len(pair[1].counts) - 1)
    lowest = min(lowest, float(shares.tails.min()))
    return _comparison(whole, now, found, shares.p_values, lowest, alarming)


def of_few_blocks(p_value: float, freedom: int) -> float:
    """A p-value beside a reference, if rows of the window depend on each other; ``p_value`` or more.

    The variance of a window of ``k`` blocks is known to ``k - 1`` degrees of ``freedom``. A permutation does
    not show that: most of the blocks that it exchanges are those of the reference, which vary less and
    are no runs of events that are alike. So the tail of the statistic is that of an F distribution, where the
    permutations have an exponential one.

    >>> [round(of_few_blocks(p, 14), 5) for p in (1.0, 0.05, 1e-6)]
    [1.0, 0.0826, 0.00049]
    """
    return float((1 - 2 * math.log(p_value) / freedom) ** (-freedom / 2))


def _times(reference: Sample, length: int) -> int:
    """How many rows a row of a reference stands for, so that there are enough blocks of ``length`` rows."""
    return -(-length * _LEAST_OF_REFERENCE // reference.size)


def _weighed(blocks: Blocks, times: int, length: int) -> Blocks:
    """Blocks that count as if they had ``length`` rows: ``times`` as many as they have."""
    if times == 1:
        return blocks._replace(length=length)
    return blocks._replace(
        length=length,
        sums=blocks.sums * times,
        counts=blocks.counts * times,
        members=blocks.members * times,
    )


def _comparison(
    before: Blocks, now: Blocks, found: Found, p_values: Doubles, lowest: float, alarming: float
) -> Comparison:
    p_clusters = float(p_values.min())
    if lowest > alarming:
        return Comparison(math.nan, found.centroid, p_clusters, lowest, (), found.length, found.draws)
    first, second = (sample.members.sum(axis=0) / sample.counts.sum() for sample in (before, now))
    changes = [
        Change(int(cluster), float(share), float(then), float(p))
        for cluster, share, then, p in zip(now.clusters, first, second, p_values, strict=True)
    ]
    changes.sort(key=by_certainty)
    means = [sample.sums.sum(axis=0) / sample.counts.sum() / LENGTH for sample in (before, now)]
    return Comparison(
        distance=float(np.sqrt(((means[1] - means[0]) ** 2).sum())),
        p_centroid=found.centroid,
        p_clusters=p_clusters,
        lowest=lowest,
        changes=tuple(changes),
        block_rows=found.length,
        draws=found.draws,
    )


def _without_clusters(blocks: Blocks) -> Blocks:
    return blocks._replace(clusters=blocks.clusters[:0], members=blocks.members[:, :0])


def _aligned(before: Blocks, now: Blocks) -> tuple[Blocks, Blocks]:
    if np.array_equal(before.clusters, now.clusters):
        return before, now
    clusters = np.union1d(before.clusters, now.clusters)
    return with_clusters(before, clusters), with_clusters(now, clusters)
