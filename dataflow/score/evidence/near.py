"""The nearest other events in the window of an event: what evidence needs of the window itself."""

from typing import NamedTuple

import numpy as np

from dataflow.items.arrays import Int64s
from dataflow.items.fixed import Fixed, Squares, distances, squared
from dataflow.items.hashes import Hashes
from dataflow.score.evidence.members import Doubles

#: The events of a window are compared with at most this many events of the window.
SAMPLE = 1000
#: In place of a squared distance where there are not that many events.
FAR = np.iinfo(np.int32).max
#: How many rows are compared at a time: the distances stay in the cache of the processor.
BLOCK = 512
#: The windows that have the same number of events, and at most this many, are looked at together.
_FEW = 16


class Near(NamedTuple):
    """What is near the ``n`` events of windows.

    ``squares``: ``(n, width)`` int32, the squared distances (:func:`~dataflow.items.fixed.squared`)
    to the nearest other events of the window, ascending; ``FAR`` where the window has fewer other events.
    ``others``: ``(n,)`` int64, with how many other events an event was compared.
    """

    squares: Squares
    others: Int64s


def near(vectors: Fixed, ids: Hashes, offsets: Int64s, width: int) -> Near:
    """Find the ``width`` nearest other events of each event in its window.

    ``vectors``: ``(n, dim)``, the events of windows. ``ids``: ``(n,)``, the hashes of their ids. ``offsets``:
    ``(k + 1,)``; the window ``i`` is the rows from ``offsets[i]`` up to but without ``offsets[i + 1]``. A
    window with more than ``SAMPLE`` events is represented by the events with the least hashes.

    >>> from dataflow.items.fixed import distances, to_fixed
    >>> vectors = to_fixed(np.array([[1, 0], [0, 1], [-1, 0]], np.float32))
    >>> found = near(vectors, np.arange(3, dtype=np.uint64), np.array([0, 3]), 2)
    >>> distances(found.squares).round(1).tolist(), found.others.tolist()
    ([[1.4, 2.0], [1.4, 1.4], [1.4, 2.0]], [2, 2, 2])
    """
    squares = np.full((len(vectors), width), FAR, np.int32)
    others = np.zeros(len(vectors), np.int64)
    sizes = np.diff(offsets)
    for size in range(2, _FEW + 1):
        _near_few(vectors, offsets[:-1][sizes == size], size, Near(squares, others))
    for place in np.flatnonzero(sizes > _FEW):
        start, stop = offsets[place : place + 2].tolist()
        chosen = np.arange(start, stop)
        if len(chosen) > SAMPLE:
            chosen = np.sort(chosen[np.argsort(ids[start:stop], kind="stable")[:SAMPLE]])
        others[start:stop] = len(chosen)
        others[chosen] -= 1
        for at in range(start, stop, BLOCK):
            block = slice(at, min(at + BLOCK, stop))
            found = squared(vectors[block], vectors[chosen])
            among = np.flatnonzero((chosen >= block.start) & (chosen < block.stop))
            found[chosen[among] - at, among] = FAR
            squares[block, : len(chosen)] = smallest(found, width)
    return Near(squares, others)


def _near_few(vectors: Fixed, starts: Int64s, size: int, found: Near) -> None:
    """Fill in what is near the events of windows of ``size`` events. Each starts at a row of ``starts``."""
    width = found.squares.shape[1]
    for at in range(0, len(starts), BLOCK):
        rows = starts[at : at + BLOCK, None] + np.arange(size)
        squares = squared(vectors[rows], vectors[rows])
        squares[:, np.arange(size), np.arange(size)] = FAR
        found.squares[rows.reshape(-1), :size] = smallest(squares.reshape(-1, size), width)
        found.others[rows] = size - 1


def smallest(squares: Squares, width: int) -> Squares:
    """``(n, min(m, width))`` the smallest numbers of each row of ``squares``, ``(n, m)``, ascending.

    >>> smallest(np.array([[3, 1, 2], [9, 9, 0]], np.int32), 2).tolist()
    [[1, 2], [0, 9]]
    """
    if width == 1:
        least: Squares = squares.min(axis=1, keepdims=True)
        return least
    if width < squares.shape[1]:
        squares = np.partition(squares, width - 1, axis=1)[:, :width]
    return np.sort(squares, axis=1)


def mean_distance(squares: Squares, neighbours: int) -> Doubles:
    """``(n,)``: the mean of the ``neighbours`` smallest distances of each row; 0 if there are none.

    >>> mean_distance(np.array([[16_000_000, 64_000_000, FAR], [FAR, FAR, FAR]], np.int32), 3).tolist()
    [1.5, 0.0]
    """
    best = smallest(squares, neighbours)
    is_there = best != FAR
    total = np.where(is_there, distances(best), 0.0).sum(axis=1)
    mean: Doubles = total / np.maximum(np.count_nonzero(is_there, axis=1), 1)
    return mean
