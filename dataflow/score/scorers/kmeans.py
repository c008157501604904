"""Scores from KMeans clusters: the default scorer."""

import warnings

import numpy as np
import pyarrow as pa
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores
from dataflow.settings import Score


class KMeansScorer:
    """``||x - c(x)||``, the Euclidean distance of an event ``x`` to the centroid ``c(x)`` of its cluster.

    The clusters are those of scikit-learn's ``KMeans(n_clusters=clusters, random_state=seed).fit(X)`` on the
    window ``X`` alone. In [0, 2] for unit vectors; 0: the event lies at the centroid. A window with fewer
    events than ``clusters`` has as many clusters as events, so all its scores are 0. Equal events have equal
    scores. Source: the article that Driftline follows, where the score is ``kmeans_dist``.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scorer = KMeansScorer(Score(clusters=1))
    >>> scorer.score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.354, 0.354, 0.354, 1.061]
    """

    def __init__(self, options: Score) -> None:
        # scikit-learn takes 2 s to import. A flow with another scorer starts without scikit-learn.
        from sklearn.cluster import KMeans  # noqa: PLC0415
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

        self._kmeans, self._warning = KMeans, ConvergenceWarning
        self._clusters, self._seed = options.clusters, options.seed
        # The controller knows only the libraries that are loaded by now.
        self._threads = ThreadpoolController()

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows)
        kmeans = self._kmeans(n_clusters=min(self._clusters, len(vectors)), random_state=self._seed)
        # One thread, because workers already run in parallel. KMeans' own threads wait for each other in busy
        # loops: beside a busy model server, 600 rows took 15 times the CPU. They also add numbers up in any
        # order, so scores would differ between runs.
        with warnings.catch_warnings(), self._threads.limit(limits=1):
            # With fewer distinct events than clusters, some clusters stay empty; the distances are still
            # right.
            warnings.simplefilter("ignore", self._warning)
            labels = kmeans.fit_predict(vectors)
        return Scores.of(np.linalg.norm(vectors - kmeans.cluster_centers_[labels], axis=1), labels)
