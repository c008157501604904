"""Scores from an event's nearest neighbours in the window."""

import warnings

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores


class KnnScorer:
    """Mean Euclidean distance to the ``neighbours`` nearest other events, in [0, 2] for unit vectors.

    A window of one event scores 0.
    """

    def __init__(self, options: settings.Score) -> None:
        from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  takes 2 s to import

        self._nearest = NearestNeighbors
        self._neighbours = options.neighbours

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows)
        k = min(self._neighbours, len(vectors) - 1)
        if not k:
            return Scores.of(np.zeros(len(vectors)))
        # Without an argument, kneighbors leaves each event out of its own neighbours.
        distances, _ = self._nearest(n_neighbors=k, algorithm="brute").fit(vectors).kneighbors()
        return Scores.of(distances.mean(axis=1))


class LofScorer:
    """Local outlier factor (Breunig et al., 2000) with ``neighbours``: about 1 for an event as densely
    surrounded as its neighbours, more for one that is not. A window of one event scores 1.
    """

    def __init__(self, options: settings.Score) -> None:
        from sklearn.neighbors import LocalOutlierFactor  # noqa: PLC0415  takes 2 s to import

        self._outlier_factor = LocalOutlierFactor
        self._neighbours = options.neighbours

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows)
        k = min(self._neighbours, len(vectors) - 1)
        if not k:
            return Scores.of(np.ones(len(vectors)))
        with warnings.catch_warnings():
            # Many equal texts make densities infinite; scikit-learn warns and bounds them.
            warnings.filterwarnings("ignore", message="Duplicate values", category=UserWarning)
            lof = self._outlier_factor(n_neighbors=k, algorithm="brute").fit(vectors)
        return Scores.of(-lof.negative_outlier_factor_)
