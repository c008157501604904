"""Surge: how surprising it is that a window holds so many events like this one."""

from typing import Final

import numpy as np

from dataflow.items.arrays import Int64s
from dataflow.score.evidence.members import Doubles
from dataflow.score.evidence.near import FAR, Near

#: How many similar events are looked for.
COUNTS: Final = (2, 4, 8, 16)


def surge(near: Near, alike: Int64s, rows: int | Int64s) -> Doubles:
    """``(n,)``: the surprise at the number of similar events in the window; 0 or more, higher is rarer.

    For each ``k`` of ``COUNTS``, ``r`` is the distance to the ``k``-th nearest other event of the window. If
    the window were like the reference, it would have ``expected = (c + 0.5) / (rows + 1) * others`` events
    within ``r``, where ``c`` of the ``rows`` rows of the reference are within ``r``. The surprise is
    ``-log10 P(Poisson(expected) >= k)``, and the surge is the largest surprise. It is 0 where the window has
    fewer than two other events.

    ``near``: of the window; at least 16 squares a row. ``alike``: ``(n, 4)``, ``c`` for each ``k``.

    >>> together = Near(np.zeros((1, 16), np.int32), np.array([16]))
    >>> surge(together, np.array([[0, 0, 0, 0]]), 1000).round(1).tolist()
    [46.9]
    """
    from scipy.special import gammainc  # noqa: PLC0415  takes a second to import

    counts = np.array(COUNTS)
    expected = (alike + 0.5) / (np.asarray(rows)[..., None] + 1) * near.others[:, None]
    # P(Poisson(x) >= k) is the regularised lower incomplete gamma function P(k, x).
    chance = np.maximum(gammainc(counts, expected), np.finfo(np.float64).tiny)
    chance[near.squares[:, counts - 1] == FAR] = 1.0
    surprise: Doubles = np.maximum(-np.log10(chance), 0.0).max(axis=1)
    return surprise
