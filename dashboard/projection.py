"""Fits the map: the two directions in which the first events differ most (PCA).

A product with a matrix gives a row its place, so a row of tomorrow gets one without moving the others, and
an event unlike all earlier ones can lie apart from them. ``benchmarks/page_map.py`` compares PCA with other
maps: linear discriminant analysis over clusters is no better on average. t-SNE of the first events keeps more
neighbours together, but can place a later row only between rows that it knows, so drift would not be seen.
"""

import numpy as np

from dashboard.store.layout import Floats, Projection


def fitted(vectors: Floats) -> Projection:
    """The projection for ``vectors``, ``(n, dim)``. The same vectors give the same one."""
    wide = vectors.astype(np.float64)
    mean = wide.mean(axis=0)
    _, directions = np.linalg.eigh((wide - mean).T @ (wide - mean))
    matrix = directions[:, :-3:-1]
    if matrix.shape[1] < 2:
        matrix = np.hstack([matrix, np.zeros((len(matrix), 1))])
    # The sign of a direction is arbitrary: its largest part becomes positive.
    largest = np.abs(matrix).argmax(axis=0)
    signs = np.sign(matrix[largest, [0, 1]])
    return Projection(mean, matrix * np.where(signs == 0, 1, signs), len(vectors), "pca")
