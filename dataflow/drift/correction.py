"""The correction of p-values for their number."""

from collections.abc import Sequence


def corrected(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm, 1979): the chance that any true hypothesis gets a value of
    ``u`` or less is at most ``u``, whatever the tests share.

    >>> corrected([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    found, least = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[at]))
        found[at] = least
    return found
