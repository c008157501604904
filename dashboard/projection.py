"""Fits the map: the two directions in which the first events differ most (PCA).

A product with a matrix gives a row its place, so a row of tomorrow gets one without moving the others, and
an event unlike all earlier ones can lie apart from them. ``benchmarks/page_map.py`` compares PCA with other
maps: linear discriminant analysis over clusters is no better on average. t-SNE of the first events keeps more
neighbours together, but can place a later row only between rows that it knows. UMAP and PaCMAP keep more of
them together on some streams, and take a thousand times as long for a row; with UMAP the place of a row
depends on those that come with it.
"""

import numpy as np

from dashboard.store.layout import Floats, Projection


def fitted(vectors: Floats) -> Projection:
    """The projection for ``vectors``, ``(n, dim)``. The same vectors give the same one."""
    # Takes a second to import, and many outputs have no embeddings.
    from sklearn.decomposition import PCA  # noqa: PLC0415

    pca = PCA(min(2, vectors.shape[1]), svd_solver="covariance_eigh").fit(vectors.astype(np.float64))
    matrix = pca.components_.T
    if matrix.shape[1] < 2:
        matrix = np.hstack([matrix, np.zeros((len(matrix), 1))])
    return Projection(pca.mean_, matrix, len(vectors), "pca")
