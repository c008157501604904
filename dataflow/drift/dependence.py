"""How long blocks have to be, learnt from the windows of a key.

Blocks are long enough if neighbouring blocks are hardly correlated. One window has too few blocks to know the
correlation well, so windows are counted together, and an old window counts less than a new one. The
windows of a new key may show less correlation than there is, so the highest likely correlation has to be low.

A window is tested with what windows taught that ended before it began. A surge in one stretch makes
neighbouring blocks alike. If a window taught the length of its own blocks, a surge would pass for dependence.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dataflow.drift.blocks import LEAST, Blocks, joined

#: The most correlation of neighbouring blocks. ``Dependence.inflation`` makes up for what is left.
MOST_CORRELATION = 0.25
#: Each window takes this part from the weight of the windows before.
_FORGET = 0.02

#: Rows of a block -> products of neighbouring blocks, squares of blocks, and pairs of neighbours, added up
#: over windows. Plain data.
Learnt = Mapping[int, tuple[float, float, float]]


class Dependence(NamedTuple):
    """``length``: the rows of a block. ``inflation``, 1 or more: the variance of the sum of many blocks, as a
    multiple of what independent blocks have.
    """

    length: int
    inflation: float


def taught(window: Blocks) -> Learnt:
    """What one window teaches.

    >>> from dataflow.drift.blocks import cut
    >>> sorted(taught(cut(np.zeros((25, 2), np.int16), np.zeros(25))))
    [1, 2]
    """
    found, length = {}, window.length
    while len((blocks := joined(window, length)).counts) >= LEAST:
        found[length] = *_sums(blocks), float(len(blocks.counts) - 1)
        length *= 2
    return found


def learn(learnt: Learnt, one: Learnt) -> Learnt:
    """``learnt`` with what one more window taught.

    >>> learn({1: (50.0, 100.0, 100.0), 2: (3.0, 4.0, 50.0)}, {1: (2.0, 4.0, 63.0)})
    {1: (51.0, 102.0, 161.0), 2: (3.0, 4.0, 50.0)}
    """
    found = dict(learnt)
    for length, (products, squares, pairs) in one.items():
        old = [(1 - _FORGET) * each for each in found.get(length, (0.0, 0.0, 0.0))]
        found[length] = old[0] + products, old[1] + squares, old[2] + pairs
    return found


def _sums(blocks: Blocks) -> tuple[float, float]:
    """Of one window: the products of neighbouring blocks, and the squares of blocks.

    Both are centred by the mean of the window. That lowers the mean product and the mean square by the
    variance of the mean, ``1 + 2 r`` mean squares for each block if ``r`` is the correlation of neighbours.
    What is returned has the ratio ``r`` that solves this.
    """
    rows, count = int(blocks.counts.sum()), len(blocks.counts)
    sums, counts = blocks.sums.astype(np.float64), blocks.counts.astype(np.float64)
    # Float64 holds these integers exactly, up to some millions of rows, so that equal rows give zeros.
    centred = (rows * sums - counts[:, None] * sums.sum(axis=0)) / rows
    squares = float((centred * centred).sum())
    products = float((centred[1:] * centred[:-1]).sum()) * count / (count - 1)
    lost = (squares - products) / count
    return products + lost, squares - 2 * lost


def dependence(learnt: Learnt, least: int) -> Dependence | None:
    """The shortest blocks that hardly depend on their neighbours, of ``least`` rows or more. ``None``: no
    length that was learnt is long enough. If ``least`` is longer than all lengths that were learnt, as in a
    window that is larger than those before, the longest one says whether still longer blocks are long enough.

    Longer blocks must not depend on their neighbours either: in a log whose lines alternate, short blocks are
    not correlated, and long ones may be. Two neighbours with the correlation ``r`` vary together by
    ``1 + r`` as much as two independent blocks do. So the product of ``1 + r`` over this and all longer
    lengths, each twice the one before, is the inflation. The last factor counts twice, for the lengths that
    were not learnt.

    The correlation of ``n`` pairs of neighbours is known to about ``0.5 / sqrt(n)``: so far apart are streams
    of one log. A length is long enough if twice this much more is still low.

    >>> found = dependence({1: (9.0, 10.0, 900), 2: (10.0, 20.0, 450), 4: (3.0, 30.0, 225)}, least=1)
    >>> found.length, round(found.inflation, 2)
    (4, 1.21)
    """
    found, product = None, 1.0
    least = min(least, max(learnt, default=least))
    for length in sorted(learnt, reverse=True):
        products, squares, pairs = learnt[length]
        correlation = products / squares if squares else 0.0
        if length < least or correlation + 1 / math.sqrt(pairs) > MOST_CORRELATION:
            break
        if found is None:
            product = 1 + max(correlation, 0.0)
        product *= 1 + correlation
        found = Dependence(length, max(product, 1.0))
    return found
