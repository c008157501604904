"""Distance to the centroid of the event's own KMeans cluster: the default, ``kmeans_dist``."""

import warnings

import numpy as np
import pyarrow as pa
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from dataflow import settings
from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores


class KMeansScorer:
    """``KMeans(n_clusters=clusters, random_state=seed).fit(X)``, then ``||x - centroid(cluster of x)||``.

    Euclidean, in [0, 2] for unit vectors. A window of fewer events than clusters gets as many clusters
    as events. Equal events share a score.
    """

    def __init__(self, options: settings.Score) -> None:
        # scikit-learn takes 2 s to import. A flow with another scorer starts without scikit-learn.
        from sklearn.cluster import KMeans  # noqa: PLC0415
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

        self._kmeans, self._warning = KMeans, ConvergenceWarning
        self._clusters, self._seed = options.clusters, options.seed
        # The controller knows the libraries that are loaded now.
        self._threads = ThreadpoolController()

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows)
        kmeans = self._kmeans(n_clusters=min(self._clusters, len(vectors)), random_state=self._seed)
        # One thread: workers are what runs side by side. Threads of its own wait for each other at full
        # speed: beside a busy model server 600 rows took 15 times the CPU. And they add up in any order.
        with warnings.catch_warnings(), self._threads.limit(limits=1):
            # Fewer distinct events than clusters: some clusters stay empty, and the distances are right.
            warnings.simplefilter("ignore", self._warning)
            labels = kmeans.fit_predict(vectors)
        return Scores.of(np.linalg.norm(vectors - kmeans.cluster_centers_[labels], axis=1), labels)
