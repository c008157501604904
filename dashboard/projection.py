"""Fits the map: two directions in which clusters of the first events lie apart.

PCA spends its two directions on whatever varies most, and the other clusters fall onto each other. Linear
discriminant analysis over KMeans clusters uses them to keep clusters apart. Both are matrices, so a row of
tomorrow gets its place by a product, and no place changes. ``benchmarks/page_map.py`` measures how many of
the neighbours on the map are neighbours among the embeddings (trustworthiness).
"""

import numpy as np

from dashboard.store.layout import Floats, Projection

_CLUSTERS, _DIRECTIONS, _SHRINKAGE = 16, 50, 0.5


def fitted(vectors: Floats) -> Projection:
    """The projection for ``vectors``, ``(n, dim)``, at least 50. The same vectors give the same one."""
    from sklearn.cluster import KMeans  # noqa: PLC0415  takes a second to import
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

    with threadpool_limits(1):
        size = min(_DIRECTIONS, vectors.shape[1], len(vectors) - 1)
        pca = PCA(size, svd_solver="full", random_state=0).fit(vectors.astype(np.float64))
        reduced = pca.transform(vectors)
        known = len(np.unique(reduced.round(6), axis=0))
        if known <= 3:
            return Projection(pca.mean_, pca.components_[:2].T, len(vectors), "pca")
        count = max(3, min(_CLUSTERS, known - 1, len(vectors) // 10))
        labels = KMeans(count, n_init=4, random_state=0).fit_predict(reduced)
        if len(np.unique(labels)) < 3:
            return Projection(pca.mean_, pca.components_[:2].T, len(vectors), "pca")
        lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=_SHRINKAGE, n_components=2)
        lda.fit(reduced, labels)
    matrix = pca.components_.T @ lda.scalings_[:, :2]
    return Projection(pca.mean_, matrix, len(vectors), "lda")
