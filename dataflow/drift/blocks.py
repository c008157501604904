"""A sample of rows as sums over blocks of rows that follow each other.

Rows of a stream depend on the rows around them: a log repeats a line, a conversation stays with its topic. A
test that exchanges single rows then takes repetition for change. Here a block is exchanged as a whole. Tests
of means need only the sums of the blocks, so a sample is small, whatever the number of its rows.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.items.fixed import LENGTH, Fixed

Integers = npt.NDArray[np.int64]

#: The most blocks of a window. More blocks add little to the power of a test, and cost time and memory.
MOST = 64
#: A sample with fewer blocks is not tested. Two samples of 10 blocks have 92,378 different exchanges, so a
#: p-value can be small.
LEAST = 10
#: The sum of so many rows fits into 16 bits, whose addition is much faster.
_FIT = np.iinfo(np.int16).max // LENGTH


class Blocks(NamedTuple):
    """``length``: the rows of a block; some blocks have more, because no row is left over. ``sums``:
    ``(k, dim)``, of the vectors of each block. ``counts``: ``(k,)``, the rows of each block. ``clusters``:
    ``(c,)``, the cluster numbers of the sample, ascending. ``members``: ``(k, c)``, the rows of each block in
    each cluster.
    """

    length: int
    sums: Integers
    counts: Integers
    clusters: Integers
    members: Integers


def cut(
    vectors: Fixed,
    clusters: npt.ArrayLike,
    rows: Integers | None = None,
    length: int | None = None,
    most: int = MOST,
) -> Blocks:
    """Cut a sample into blocks.

    ``vectors``: ``(n, dim)``, as :func:`~dataflow.items.fixed.to_fixed` makes them, in time order; or with
    more rows, of which the sample has ``rows``, ``(n,)``. ``clusters``: ``(n,)``, the cluster number of each
    row of the sample, 0 or more. ``length``: the rows of a block, 1 or more;
    ``None``: the lowest power of two that makes ``most`` blocks or fewer. If a given ``length`` makes more
    than ``most`` blocks, some are left out, evenly over the sample.

    The cost is one addition for each component.

    >>> blocks = cut(np.eye(4, dtype=np.int16), [7, 7, 3, 7], length=2)
    >>> blocks.counts.tolist(), blocks.clusters.tolist(), blocks.members.tolist()
    ([2, 2], [3, 7], [[0, 2], [1, 1]])
    """
    n = len(vectors) if rows is None else len(rows)
    if length is None:
        length = shortest(n, most)
    count = min(max(n // length, 1), n)
    kept = np.arange(min(count, most)) * count // max(min(count, most), 1)
    starts, ends = kept * n // max(count, 1), (kept + 1) * n // max(count, 1)
    counts = ends - starts
    labels, members = _members(np.asarray(clusters, np.int64), starts, counts)
    return Blocks(length, _sums(vectors, rows, starts, counts), counts, labels, members)


def shortest(rows: int, most: int = MOST) -> int:
    """The lowest power of two that cuts ``rows`` rows into ``most`` blocks or fewer.

    >>> shortest(64), shortest(65), shortest(500)
    (1, 2, 8)
    """
    return 1 << (rows // (most + 1)).bit_length()


def _members(clusters: Integers, starts: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """``(c,)``, the cluster numbers, and ``(k, c)``, how many rows of each block are in each cluster."""
    known = np.bincount(clusters) > 0
    labels, column = np.flatnonzero(known), np.cumsum(known) - 1
    blocks = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(blocks)) + (starts - np.cumsum(counts) + counts)[blocks]
    places = blocks * len(labels) + column[clusters[rows]]
    members = np.bincount(places, minlength=len(counts) * len(labels))
    return labels, members.reshape(len(counts), len(labels))


def _sums(vectors: Fixed, rows: Integers | None, starts: Integers, counts: Integers) -> Integers:
    """``(k, dim)``: the sums of the rows of blocks, of which one has at most one row more than another."""
    sums = np.zeros((len(starts), vectors.shape[1]), np.int64)
    least = int(counts.min(initial=len(vectors)))
    if least > len(starts):
        for block, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
            some = slice(start, start + count)
            vectors[some if rows is None else rows[some]].sum(axis=0, dtype=np.int64, out=sums[block])
        return sums
    # Many short blocks: a row of each at a time.
    for first in range(0, least, _FIT):
        part = _row(vectors, rows, starts + first)
        for row in range(first + 1, min(first + _FIT, least)):
            part += _row(vectors, rows, starts + row)
        sums += part
    longer = np.flatnonzero(counts > least)
    sums[longer] += _row(vectors, rows, starts[longer] + least)
    return sums


def _row(vectors: Fixed, rows: Integers | None, at: Integers) -> Fixed:
    found: Fixed = vectors[at if rows is None else rows[at]]
    return found


def joined(blocks: Blocks, length: int) -> Blocks:
    """Join neighbouring blocks to blocks of ``length`` rows, the length of ``blocks`` times a whole number.

    >>> joined(cut(np.eye(4, dtype=np.int16), [0, 0, 0, 0], length=1), 2).sums.tolist()
    [[1, 1, 0, 0], [0, 0, 1, 1]]
    """
    count = len(blocks.counts)
    parts = min(max(count * blocks.length // length, 1), count)
    if parts == count:
        return blocks._replace(length=length)
    starts = np.arange(parts) * count // parts
    sums, counts, members = (np.add.reduceat(a, starts) for a in (blocks.sums, blocks.counts, blocks.members))
    return Blocks(length, sums, counts, blocks.clusters, members)


def with_clusters(blocks: Blocks, clusters: Integers) -> Blocks:
    """``blocks`` with a column for each of ``clusters``, ascending: those of ``blocks``, and more."""
    members = np.zeros((len(blocks.counts), len(clusters)), np.int64)
    members[:, np.searchsorted(clusters, blocks.clusters)] = blocks.members
    return blocks._replace(clusters=clusters, members=members)
