"""Scores from KMeans clusters: the default scorer."""

import warnings

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.embedding import embeddings
from dataflow.score.scorers.base import Scores, whole
from dataflow.score.scorers.clusters import cluster
from dataflow.score.scorers.equal import first_equal
from dataflow.score.scorers.pairs import SMALL, Doubles
from dataflow.score.scorers.quiet import Quiet
from dataflow.settings import Score

#: About how many pairs of events go through :func:`cluster` together.
_TOGETHER = 2**16


class KMeansScorer:
    """``||x - c(x)||``, the Euclidean distance of an event ``x`` to the centroid ``c(x)`` of its cluster.

    The clusters are those of scikit-learn's ``KMeans(n_clusters=clusters, random_state=seed).fit(X)`` on the
    window ``X`` alone. In [0, 2] for unit vectors; 0: the event lies at the centroid. A window with no more
    distinct events than ``clusters`` has as many clusters as distinct events, so all its scores are 0. Equal
    events have equal scores. Source: the article that Driftline follows, where the score is ``kmeans_dist``.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scorer = KMeansScorer(Score(clusters=1))
    >>> scorer.score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.354, 0.354, 0.354, 1.061]
    """

    def __init__(self, options: Score) -> None:
        from sklearn.cluster import KMeans  # noqa: PLC0415  takes 2 s to import
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

        self._kmeans, self._warning, self._quiet = KMeans, ConvergenceWarning, Quiet()
        self._clusters, self._seed = options.clusters, options.seed

    def score(self, rows: pa.RecordBatch) -> Scores:
        return self.score_segments(rows, whole(rows))

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        vectors, sizes = embeddings(rows), np.diff(offsets)
        first = first_equal(vectors, offsets)
        is_first = first == np.arange(len(first))
        number = np.cumsum(is_first) - 1
        # Where there are clusters enough, each distinct event is one, numbered by its first appearance.
        labels = number[first] - np.repeat(number[offsets[:-1]], sizes)
        values = np.zeros(len(first))
        distinct = np.add.reduceat(is_first, offsets[:-1], dtype=np.int64)
        open_segments = np.flatnonzero(distinct > self._clusters)
        if len(open_segments):
            with self._quiet(), warnings.catch_warnings():
                # Equal events can leave some clusters empty; the distances are still right.
                warnings.simplefilter("ignore", self._warning)
                rest = self._score_small(vectors, offsets, first, open_segments, values, labels)
                self._score_each(vectors, offsets, rest, values, labels)
        # Rounding depends on the place of a row in a matrix, so equal events have the score of the first one.
        return Scores.of(values[first], labels)

    def _score_small(
        self,
        vectors: Vectors,
        offsets: Int64s,
        first: Int64s,
        segments: Int64s,
        values: Doubles,
        labels: Int64s,
    ) -> Int64s:
        """Score the small ones of ``segments`` into ``values`` and ``labels``. Returns the others."""
        sizes = np.diff(offsets)[segments]
        rest = [segments[sizes > SMALL]]
        for size in np.unique(sizes[sizes <= SMALL]).tolist():
            alike, together = segments[sizes == size], max(1, _TOGETHER // size**2)
            for start in range(0, len(alike), together):
                some = alike[start : start + together]
                begins = offsets[some]
                windows = [vectors[begin : begin + size] for begin in begins.tolist()]
                places = begins[:, None] + np.arange(size)
                earlier = first[places] - begins[:, None]
                found = cluster(windows, earlier, self._clusters, self._seed)
                values[places[found.certain]] = found.distances[found.certain]
                labels[places[found.certain]] = found.labels[found.certain]
                rest.append(some[~found.certain])
        return np.concatenate(rest)

    def _score_each(
        self, vectors: Vectors, offsets: Int64s, segments: Int64s, values: Doubles, labels: Int64s
    ) -> None:
        """Score ``segments`` one by one into ``values`` and ``labels``."""
        for start, stop in zip(offsets[segments].tolist(), offsets[segments + 1].tolist(), strict=True):
            kmeans = self._kmeans(n_clusters=self._clusters, random_state=self._seed)
            window = vectors[start:stop]
            labels[start:stop] = kmeans.fit_predict(window)
            centroids = kmeans.cluster_centers_[labels[start:stop]]
            values[start:stop] = np.linalg.norm(window - centroids, axis=1)
