"""P-values from draws of what happens by chance."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

#: Draws that are computed together, which bounds the memory: the first ones, and the later ones.
_FEW, _TOGETHER = 25, 100
#: The first draws, and how many times as many there are at the next stage.
_FIRST, _TIMES = 99, 2
#: A p-value with so many draws at least as large is exact enough.
_ENOUGH = 10
#: Values that differ by less are equal, because sums of floating-point numbers differ in their last bits.
_SAME = 1e-9
#: A p-value of a tail has so many digits: those after them may depend on the number of threads that multiply
#: matrices.
_DIGITS = 9
#: The tail is this many of the highest draws, if there are ten times as many.
_TAIL = 250

#: Gives so many values of ``s`` statistics, ``(n, s)``, 0 or more, as they are by chance.
Draw = Callable[[np.random.Generator, int], Doubles]


class Simulated(NamedTuple):
    """``p_values``: ``(s,)``, ``(1 + k) / (1 + draws)``. ``tails``: ``(s,)``, the same, but lower for values
    above all draws (:func:`_tail`).
    """

    p_values: Doubles
    tails: Doubles
    draws: int


def simulated(
    observed: Doubles, draw: Draw, *, seed: int, most: int, alarming: float = 1.0, few: int = _FEW
) -> Simulated:
    """The p-values of the values ``observed``, ``(s,)``.

    ``draw`` gives values as they are by chance. ``alarming``: draws end as soon as it is
    certain that more of them would leave each p-value above this number. Such p-values may be too high. If
    any tail is not above it, all are what they are without ``alarming``. ``few``: how many draws are computed
    together at first; then those up to 25, and those up to 99.

    A p-value is ``(1 + k) / (1 + P)`` with ``k`` of ``P`` draws as large as the value or larger. There are
    99 draws first, and twice as many at each next stage, for the p-values with ``k < 10``. Such a
    p-value is still valid: the chance of ``u`` or less is at most ``u``. For let ``s`` be the first stage
    that has ``u >= 11 / (1 + P_s)``, or the last stage. A stage before ``s`` decides only values above
    ``u``. If a stage after ``s`` decides, ``k < 10`` at ``s``, and the p-value of ``s`` was below ``u``, too.
    So ``u`` or less needs a p-value of ``u`` or less at the one stage ``s``, which has a fixed ``P``.
    """
    rng, least = np.random.default_rng(seed), observed * (1 - _SAME) - _SAME
    decided, p = np.zeros(len(observed), bool), np.ones(len(observed))
    above, count, stage = np.zeros(len(observed), np.int64), 0, min(_FIRST, most)
    drawn: list[Doubles] = []
    while not decided.all() and count < most:
        while count < stage:
            values = draw(rng, min(_together(count, few), stage - count))
            drawn.append(values)
            above += (values >= least).sum(axis=0)
            count += len(values)
            if not above.all():
                continue
            lowest = np.where(decided, p, (1 + above) / (1 + most))
            if (lowest > alarming).all():
                p = np.where(decided, p, (1 + above) / (1 + count))
                return Simulated(p, p, count)
        p = np.where(decided, p, (1 + above) / (1 + count))
        decided |= above >= _ENOUGH
        stage = min((stage + 1) * _TIMES - 1, most)
    tails = p.copy()
    for at in np.flatnonzero(above == 0):
        tails[at] = min(p[at], _tail(np.concatenate([each[:, at] for each in drawn]), least[at]))
    return Simulated(p, tails, count)


def _together(count: int, few: int) -> int:
    """How many draws are computed together after ``count`` draws."""
    if count < few:
        return few - count
    return _FEW - count if count < _FEW else _TOGETHER


def _tail(draws: Doubles, value: float) -> float:
    """The p-value of a value above all ``draws``, ``(P,)``, 1 if they are too few to say.

    The highest draws are taken for an exponential tail. That is the tail of a sum of squares of normal
    variables; statistics that are divided by a variance, as ours are, have a lighter one. The mean of the
    tail is made larger by two of its standard errors. (The idea: Knijnenburg et al., "Fewer permutations,
    more accurate P-values", 2009.)

    >>> draws = np.random.default_rng(0).exponential(size=10_000)
    >>> round(math.log10(_tail(draws, 5 * math.log(10))), 1)
    -4.6
    """
    if len(draws) < 10 * _TAIL:
        return 1.0
    highest = np.partition(draws, -_TAIL)[-_TAIL:]
    start = float(highest.min())
    mean = float(highest.mean() - start) * (1 + 2 / math.sqrt(_TAIL))
    p_value = _TAIL / len(draws) * math.exp(-(value - start) / mean) if mean else 1.0
    return float(f"{p_value:.{_DIGITS}g}")


def largest(values: Doubles, first: int) -> Doubles:
    """``values``, ``(n, s)``, with the largest of the columns from ``first`` on in each of these columns.

    P-values of such draws are corrected for the number of these columns (Westfall and Young, 1993).

    >>> largest(np.array([[5.0, 1.0, 2.0]]), first=1).tolist()
    [[5.0, 2.0, 2.0]]
    """
    values[:, first:] = values[:, first:].max(axis=1, keepdims=True, initial=0.0)
    return values
