"""What each pair of events of a small window has in common."""

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Vectors

Doubles = npt.NDArray[np.float64]

#: A window with no more events is small: calls and checks take most of scikit-learn's time for it.
SMALL = 128


def dot_products(vectors: Vectors) -> Doubles:
    """``(n, n)`` the dot product of each row of ``vectors``, ``(n, dim)`` float32, with each row."""
    exact = vectors.astype(np.float64)
    products: Doubles = exact @ exact.T
    return products


def squared_distances(dots: Doubles) -> Doubles:
    """``(..., n, n)`` the squared Euclidean distances of vectors whose dot products are ``dots``.

    >>> squared_distances(dot_products(np.array([[0, 3], [4, 0]], np.float32))).tolist()
    [[0.0, 25.0], [25.0, 0.0]]
    """
    lengths = dots.diagonal(axis1=-2, axis2=-1)
    squares: Doubles = np.maximum(lengths[..., :, None] + lengths[..., None, :] - 2 * dots, 0)
    return squares
