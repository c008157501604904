"""Counts of what is within a distance."""

import numpy as np

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.fixed import Squares
from dataflow.score.evidence.near import FAR, Near
from dataflow.score.evidence.surge import COUNTS

#: Where fewer than one in so many are true, it is faster to look for them than to count along each row.
_SPARSE = 8


def within(squares: Squares, near: Near) -> Int64s:
    """``(n, 4)``: how many of ``squares``, ``(n, m)``, are within the distances that surge looks at."""
    radii = near.squares[:, np.array(COUNTS) - 1]
    # Where the window has fewer events, there is no such distance.
    radii = np.where(radii == FAR, -1, radii)
    widest = squares <= radii.max(axis=1, keepdims=True)
    if _is_sparse(widest):
        at = np.flatnonzero(widest)
        row, found = at // squares.shape[1], squares.reshape(-1)[at]
        columns = [np.bincount(row[found <= radius[row]], minlength=len(squares)) for radius in radii.T]
    else:
        columns = [np.count_nonzero(squares <= radius[:, None], axis=1) for radius in radii.T]
    counts: Int64s = np.stack(columns, axis=1)
    return counts


def row_counts(which: Bools) -> Int64s:
    """``(n,)``: how many are true in each row of ``which``, ``(n, m)``.

    >>> row_counts(np.array([[True, True], [False, False]])).tolist()
    [2, 0]
    """
    if _is_sparse(which):
        return np.bincount(np.flatnonzero(which) // which.shape[1], minlength=len(which))
    counts: Int64s = np.count_nonzero(which, axis=1)
    return counts


def _is_sparse(which: Bools) -> bool:
    return int(np.count_nonzero(which)) * _SPARSE < which.size
