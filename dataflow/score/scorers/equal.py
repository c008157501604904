"""Equal embeddings: many events of a stream have the same text."""

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Int64s, Vectors

#: How many rows are compared at a time.
_BLOCK_ROWS = 512


def first_equal(vectors: Vectors, offsets: Int64s) -> Int64s:
    """``(n,)`` for each row, the first row of its segment that has the same bits; often the row itself.

    ``vectors``: ``(n, dim)`` float32. ``offsets``: ``(k + 1,)``, as in
    :class:`dataflow.items.rows.Segments`. Very rarely, a row that has equals is taken for one that has none.

    >>> vectors = np.array([[1, 2], [0, 0], [1, 2], [1, 2]], np.float32)
    >>> first_equal(vectors, np.array([0, 3, 4])).tolist()
    [0, 1, 0, 3]
    """
    bits, rows = vectors.view(np.uint32), np.arange(len(vectors))
    # A row is known by its segment and a hash of its bits. Equal rows stay in order, as the sort is stable.
    segment = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint64), np.diff(offsets))
    names = (segment << np.uint64(32)) | (bits @ hash_factors(bits.shape[1]))
    order = np.argsort(names, kind="stable")
    is_new = np.concatenate(([True], np.diff(names[order]) != 0))
    first = np.empty_like(rows)
    first[order] = order[is_new][np.cumsum(is_new) - 1]
    named_twice = np.flatnonzero(first != rows)
    for start in range(0, len(named_twice), _BLOCK_ROWS):
        block = named_twice[start : start + _BLOCK_ROWS]
        differ = block[(bits[block] != bits[first[block]]).any(axis=1)]
        first[differ] = differ
    return first


def hash_factors(dim: int) -> npt.NDArray[np.uint32]:
    """``(dim,)`` fixed random numbers. The sum of them times the bits of a row, modulo 2**32, is its hash."""
    return np.random.default_rng(0).integers(2**32, size=dim, dtype=np.uint32)
