"""P-values: how often a value as high is seen."""

import numpy as np

from dataflow.score.evidence.members import Doubles

#: The share of the values that make the tail.
TAIL = 0.05


class Ranks:
    """The values that earlier events of a key have, which tell how rare another value is.

    ``values``: ``(m,)``, at least one. ``least_excess``: the least mean excess of the tail (see
    :meth:`log10`), in the unit of the values, above 0.
    """

    def __init__(self, values: Doubles, least_excess: float) -> None:
        self._ascending = np.sort(values)
        tail = self._ascending[-max(1, round(TAIL * len(values))) :]
        self._excess = max(float(tail.mean() - tail[0]), least_excess)

    def log10(self, values: Doubles) -> Doubles:
        """``(n,)``: ``-log10`` of the p-value of each value; 0 or more, higher is rarer.

        The p-value is ``(1 + number of values that are as high) / (1 + m)``, so it holds if the value and the
        ``m`` values are exchangeable: Vovk et al., "Algorithmic learning in a random world", 2005. Beyond the
        highest of the values there is no rank. There the p-value falls exponentially, with the mean excess
        over the threshold of the highest ``TAIL`` of the values: Balkema and de Haan, "Residual life time at
        great age", 1974, whose limit distribution this is if the tail is neither heavy nor bounded.

        >>> Ranks(np.arange(999.0), 1.0).log10(np.array([-1.0, 899.0, 998.0])).round(2).tolist()
        [0.0, 1.0, 2.7]
        """
        m = len(self._ascending)
        as_high = m - self._ascending.searchsorted(values, side="left")
        beyond = np.maximum(values - self._ascending[-1], 0.0) / self._excess
        found: Doubles = np.log10(m + 1) - np.log10(as_high + 1) + beyond * np.log10(np.e)
        return found

    def own_log10(self, values: Doubles) -> Doubles:
        """The same for values that are among the ``m`` values, each beside the ``m - 1`` others."""
        m = len(self._ascending)
        found: Doubles = np.log10(m / (m - self._ascending.searchsorted(values, side="left")))
        return found
