"""Which cluster of the window before a cluster continues, so that cluster numbers keep their meaning."""

import numpy as np

from dataflow.items.arrays import Int64s, Vectors
from dataflow.score.clusters.lloyd import Doubles
from dataflow.score.clusters.state import KeyClusters

#: How far chance may move a centroid: its squared distance, relative to the squared standard error.
_CHANCE = 3.0


def continued(before: KeyClusters, sizes: Int64s, spreads: Doubles, centroids: Vectors) -> Int64s:
    """``(k,)`` for each cluster, the place in ``before`` of the cluster that it continues; -1: it is new.

    A cluster can continue an old cluster if the distance of the two centroids is at most half the distance
    from the old centroid to the nearest other old centroid: such a point is nearest to that old centroid
    (Hamerly, "Making k-means even faster", 2010). If there is only one old cluster, the limit is the square
    root of its spread. Chance moves the centroid of a small cluster farther. So a cluster can also continue
    an old one if the squared distance is at most 3 times ``s (1/n + 1/m)``. Without the 3, this is expected
    of two samples of ``n`` and ``m`` rows of one cluster, where ``s`` is the mean square within the clusters
    of the two windows (as in the analysis of variance: the sum of squares, divided by the rows less the
    clusters). The nearest of these pairs come first, and each cluster continues at most one.

    ``before``: the old clusters, of the window before. ``sizes``, ``spreads``, ``centroids``: as in
    :class:`KeyClusters`, for the ``k`` clusters of this window.

    >>> lines = np.array([[0, 0], [8, 0]], np.float32)
    >>> before = KeyClusters(np.array([5, 6]), np.array([9, 9]), np.zeros(2), lines, 7, "m")
    >>> now = np.array([[4.5, 0], [11, 0], [7, 0]], np.float32)
    >>> continued(before, np.array([9, 9, 9]), np.zeros(3), now).tolist()
    [-1, -1, 1]
    """
    distances = squared_distances(centroids, before.centroids)
    apart = squared_distances(before.centroids, before.centroids)
    np.fill_diagonal(apart, np.inf)
    near = apart.min(axis=1) / 4 if len(apart) > 1 else before.spreads
    inertia = float(sizes @ spreads + before.sizes @ before.spreads)
    freedom = int(sizes.sum() + before.sizes.sum()) - len(sizes) - len(before.sizes)
    chance = _CHANCE * inertia / max(freedom, 1) * (1 / sizes[:, None] + 1 / before.sizes)
    now, old = np.nonzero(distances <= np.maximum(near, chance))
    found, taken = np.full(len(sizes), -1), set[int]()
    for pair in np.argsort(distances[now, old], kind="stable").tolist():
        if found[now[pair]] < 0 and old[pair] not in taken:
            found[now[pair]] = old[pair]
            taken.add(int(old[pair]))
    return found


def squared_distances(left: Vectors, right: Vectors) -> Doubles:
    """``(k, l)`` float64, the squared distance of each row of ``left``, ``(k, dim)``, to each of ``right``.

    >>> squared_distances(np.array([[0, 3]], np.float32), np.array([[4, 0], [0, 3]], np.float32)).tolist()
    [[25.0, 0.0]]
    """
    exact = right.astype(np.float64)
    return np.array([((row - exact) ** 2).sum(axis=1) for row in left.astype(np.float64)])
