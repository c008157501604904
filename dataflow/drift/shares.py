"""Do the shares of clusters in a window differ from those in a random sample of a long past?

A cluster that comes in bursts may be absent from a window. Then the window does not show how much the share
of the cluster varies, and a permutation of blocks takes its absence for certain. So the window is worth as
many independent rows as it has blocks, or fewer, and what happens by chance is drawn from multinomial
distributions (a chi-square corrected for the design, Rao and Scott, 1981). This is the safe side, because all
rows of a block may be of one cluster.
"""

import numpy as np

from dataflow.drift.blocks import Integers
from dataflow.drift.simulation import Doubles, Simulated, largest, simulated


def share_p_values(
    before: Integers, now: Integers, *, worth: int, seed: int, most: int, alarming: float = 1.0
) -> Simulated:
    """The p-values of ``c`` clusters, corrected for their number.

    ``before``: ``(c,)``, the rows of the sample in each cluster, which are independent. ``now``: those of the
    window. Both have a row or more. ``worth``: the independent rows of the window, 1 or more. ``seed``,
    ``most``, ``alarming``: see :func:`~dataflow.drift.simulation.simulated`.
    """
    rows = int(before.sum())
    first, second = before / rows, now / now.sum()
    pooled = (before + second * worth) / (rows + worth)
    scale = pooled * (1 - pooled) * (1 / rows + 1 / worth)

    def chi_square(differences: Doubles) -> Doubles:
        found: Doubles = np.divide(differences**2, scale, out=np.zeros_like(differences), where=scale > 0)
        return found

    def draw(rng: np.random.Generator, count: int) -> Doubles:
        drawn = rng.multinomial(rows, pooled, count) / rows
        return largest(chi_square(rng.multinomial(worth, pooled, count) / worth - drawn), first=0)

    return simulated(chi_square(second - first), draw, seed=seed, most=most, alarming=alarming)
