"""Hashes of strings that are the same on all machines and in all runs."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]


def hashes(strings: pa.Array) -> Hashes:
    """``(n,)`` uint64: the hash of each string (pandas' SipHash with a fixed key).

    >>> hashes(pa.array(["a", "b", "a"])).tolist()
    [13950350942979735504, 12688059582079114975, 13950350942979735504]
    """
    import pandas as pd  # noqa: PLC0415  few flows need hashes, and pandas takes a second to import

    found: Hashes = pd.util.hash_array(strings.to_numpy(zero_copy_only=False), categorize=False)
    return found
