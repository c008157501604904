"""Which earlier events of a key are kept: a sample of all of them, in which old ones are less likely.

The sample is decided by the ids and the times of rows alone, so it is the same whatever the order of arrival,
the batches, the workers or the restarts.
"""

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.hashes import Hashes

Doubles = npt.NDArray[np.float64]


def priorities(ids: Hashes, ts: Int64s, half_life_us: int) -> Doubles:
    """``(n,)``: the rows with the lowest numbers are a random sample, in which old rows are less likely.

    A row that is ``half_life_us`` older than another one is half as likely to be among the lowest. ``ids``:
    ``(n,)``, the hashes of the ids. ``ts``: ``(n,)``, microseconds.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006. The row with weight
    ``w`` gets ``-log(u) / w``, where ``u`` is uniform in (0, 1); the ``k`` lowest are the sample. With
    ``w = 2**(ts / half_life)``, the logarithm of that does not overflow.

    >>> ids = np.array([2**62, 2**62, 2**63], np.uint64)
    >>> priorities(ids, np.array([0, 3_600_000_000, 0]), 3_600_000_000).round(3).tolist()
    [0.327, -0.367, -0.367]
    """
    uniform = (ids.astype(np.float64) + 0.5) / 2.0**64
    # A hash at the end of its range may be rounded to 1.
    waits = -np.log(np.minimum(uniform, 1 - 2.0**-53))
    found: Doubles = np.log(waits) - np.log(2) / half_life_us * ts
    return found


def sampled(priority: Doubles, rows: int) -> Bools:
    """``(n,)``: whether each row is among the ``rows`` rows with the lowest priorities; the first of equals.

    >>> sampled(np.array([3.0, 1.0, 2.0, 1.0]), 2).tolist()
    [False, True, False, True]
    """
    if len(priority) <= rows:
        return np.ones(len(priority), np.bool_)
    last = np.partition(priority, rows - 1)[rows - 1]
    chosen: Bools = priority <= last
    equal = np.flatnonzero(priority == last)
    chosen[equal[rows - np.count_nonzero(priority < last) :]] = False
    return chosen
