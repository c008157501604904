"""Distances between unit vectors, exact to the bit.

A floating-point sum depends on the order of its terms, and the order depends on the size of a matrix. A value
that is computed again, after a restart or together with other rows, would differ in its last bits. Here the
components of a vector are integers, small enough that each sum of products is an integer that float32 holds
exactly. So each way of computing a distance gives the same number, and equal texts have the distance 0.

The integers also take half the memory of float32.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Vectors

Fixed = npt.NDArray[np.int16]
Squares = npt.NDArray[np.int32]

#: The length of a vector. Products of two vectors stay below 2**24 = 4096**2, up to which float32 holds each
#: integer. The rest is room for the rounded components, which make a vector longer by up to sqrt(dim) / 2.
LENGTH = 4000
#: The most dimensions for which the products stay below 2**24.
MOST_DIM = 4 * (4096 - LENGTH) ** 2
#: How many vectors are scaled at a time: as many as a cache of the processor holds in float64.
_BLOCK = 256


def to_fixed(vectors: Vectors, out: Fixed | None = None) -> Fixed:
    """``(n, dim)`` int16: the direction of each vector, with the length ``LENGTH``; a zero vector stays zero.

    ``vectors``: ``(n, dim)`` float32, finite, ``dim`` up to ``MOST_DIM``. ``out``: ``(n, dim)``, where the
    result is written, in place of a new array. A rounded component is off by up to
    0.5, so a distance of two unit vectors is off by about ``sqrt(dim / 6) / LENGTH`` (0.002 at 384
    dimensions), by ``sqrt(dim) / LENGTH`` at most, and by nothing if the vectors are equal.

    Raises ``ValueError`` if there are more dimensions.

    >>> to_fixed(np.array([[3, 4], [0, 0]], np.float32)).tolist()
    [[2400, 3200], [0, 0]]
    """
    if vectors.shape[1] > MOST_DIM:
        raise ValueError(
            f"embeddings have {vectors.shape[1]} dimensions; a reference takes {MOST_DIM} at most"
        )
    fixed = np.empty(vectors.shape, np.int16) if out is None else out
    space = np.empty((min(len(vectors), _BLOCK), vectors.shape[1]))
    for at in range(0, len(vectors), _BLOCK):
        some = vectors[at : at + _BLOCK]
        wide = space[: len(some)]
        wide[:] = some
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
        wide *= np.divide(LENGTH, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        fixed[at : at + _BLOCK] = np.rint(wide, out=wide)
    return fixed


def to_unit(fixed: Fixed) -> Vectors:
    """``(n, dim)`` float32: the vectors of :func:`to_fixed` with the length 1, up to their rounding."""
    unit: Vectors = fixed.astype(np.float32) / np.float32(LENGTH)
    return unit


def of_unit(vectors: Vectors) -> Fixed:
    """The vectors of which :func:`to_unit` made ``vectors``, exactly.

    >>> of_unit(to_unit(to_fixed(np.array([[3, 4]], np.float32)))).tolist()
    [[2400, 3200]]
    """
    fixed: Fixed = np.rint(vectors * np.float32(LENGTH)).astype(np.int16)
    return fixed


def squared(left: Fixed, right: Fixed) -> Squares:
    """``(n, m)`` int32: the squared distance of each row of ``left``, ``(n, dim)``, to each of ``right``.

    The unit is ``1 / LENGTH**2``. ``left`` and ``right`` may be stacks of ``k`` matrices; so is the result.

    >>> squared(to_fixed(np.eye(2, dtype=np.float32)), to_fixed(np.eye(2, dtype=np.float32))).tolist()
    [[0, 32000000], [32000000, 0]]
    """
    a, b = left.astype(np.float32), right.astype(np.float32)
    squares = (a @ np.swapaxes(b, -1, -2)).astype(np.int32)
    squares *= -2
    squares += _squared_lengths(a)[..., :, None]
    squares += _squared_lengths(b)[..., None, :]
    return squares


def distances(squares: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Squared distances of :func:`squared` as Euclidean distances of unit vectors, in [0, 2].

    >>> distances(np.array([0, 32000000])).round(3).tolist()
    [0.0, 1.414]
    """
    found: npt.NDArray[np.float64] = np.sqrt(squares) / LENGTH
    return found


def _squared_lengths(rows: Vectors) -> Squares:
    lengths: Squares = np.einsum("...ij,...ij->...i", rows, rows).astype(np.int32)
    return lengths
