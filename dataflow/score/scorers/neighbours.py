"""Scores from the nearest neighbours of an event in the window."""

import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.embedding import embeddings
from dataflow.score.scorers.base import Scores, whole
from dataflow.score.scorers.pairs import SMALL, Doubles, dot_products, squared_distances
from dataflow.score.scorers.quiet import Quiet
from dataflow.settings import Score


class KnnScorer:
    """``mean(||x - y||)`` over the nearest ``neighbours`` other events ``y``, the mean Euclidean distance.

    In [0, 2] for unit vectors; 0: the nearest events equal ``x``. A window of one event scores 0. Source:
    Ramaswamy et al., "Efficient algorithms for mining outliers from large data sets", 2000 (there the
    distance to the last of the neighbours); Angiulli and Pizzuti, "Fast outlier detection in high dimensional
    spaces", 2002.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scorer = KnnScorer(Score(neighbours=2))
    >>> scorer.score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.0, 0.0, 0.0, 1.414]
    """

    def __init__(self, options: Score) -> None:
        from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  takes 2 s to import

        self._nearest, self._quiet = NearestNeighbors, Quiet()
        self._neighbours = options.neighbours

    def score(self, rows: pa.RecordBatch) -> Scores:
        return self.score_segments(rows, whole(rows))

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        with self._quiet():
            return _each(self._mean_distances, rows, offsets)

    def _mean_distances(self, vectors: Vectors) -> Doubles:
        k = min(self._neighbours, len(vectors) - 1)
        if not k:
            return np.zeros(len(vectors))
        if len(vectors) <= SMALL:
            distances = np.sqrt(squared_distances(dot_products(vectors)))
            np.fill_diagonal(distances, np.inf)
            distances = np.partition(distances, k - 1, axis=1)[:, :k]
        else:
            # Without an argument, kneighbors does not count an event among its own neighbours.
            distances, _ = self._nearest(n_neighbors=k, algorithm="brute").fit(vectors).kneighbors()
        means: Doubles = distances.mean(axis=1)
        return means


class LofScorer:
    """``mean(lrd(y)) / lrd(x)`` over the nearest ``neighbours`` other events ``y``, the local outlier factor.

    ``lrd`` is the local reachability density. Above 0: about 1 if ``x`` is as densely surrounded as its
    neighbours are, more if it is less densely surrounded. A window of one event scores 1. Source: Breunig et
    al., "LOF: identifying density-based local outliers", 2000.

    >>> vectors = pa.array([[0, 1], [0.1, 1], [0.2, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scorer = LofScorer(Score(neighbours=2))
    >>> int(scorer.score(pa.record_batch({"embedding": vectors})).values.argmax())
    3
    """

    def __init__(self, options: Score) -> None:
        from sklearn.neighbors import LocalOutlierFactor  # noqa: PLC0415  takes 2 s to import

        self._outlier_factor, self._quiet = LocalOutlierFactor, Quiet()
        self._neighbours = options.neighbours

    def score(self, rows: pa.RecordBatch) -> Scores:
        return self.score_segments(rows, whole(rows))

    def score_segments(self, rows: pa.RecordBatch, offsets: Int64s) -> Scores:
        with self._quiet(), warnings.catch_warnings():
            # Many equal texts would make the density infinite. scikit-learn bounds the density, and warns.
            warnings.filterwarnings("ignore", message="Duplicate values", category=UserWarning)
            return _each(self._outlier_factors, rows, offsets)

    def _outlier_factors(self, vectors: Vectors) -> Doubles:
        k = min(self._neighbours, len(vectors) - 1)
        if not k:
            return np.ones(len(vectors))
        fitted = self._outlier_factor(n_neighbors=k, algorithm="brute").fit(vectors)
        factors: Doubles = -fitted.negative_outlier_factor_
        return factors


def _each(score: Callable[[Vectors], Doubles], rows: pa.RecordBatch, offsets: Int64s) -> Scores:
    """The scores of each segment by itself."""
    vectors = embeddings(rows)
    bounds = itertools.pairwise(offsets.tolist())
    return Scores.of(np.concatenate([score(vectors[start:stop]) for start, stop in bounds]))
