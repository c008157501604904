"""Scores from the distance to the mean of the window."""

import numpy as np
import pyarrow as pa

from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores
from dataflow.settings import Score


class MeanScorer:
    """``||x - mean(X)||``, the Euclidean distance of an event ``x`` to the mean of the window ``X``.

    In [0, 2] for unit vectors; 0: the event lies at the mean.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> MeanScorer(Score()).score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.354, 0.354, 0.354, 1.061]
    """

    def __init__(self, options: Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows).astype(np.float64)
        return Scores.of(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1))


class CosineScorer:
    """``1 - cos(x, mean(X))``, the cosine distance of an event ``x`` to the mean of the window ``X``.

    In [0, 2]; 0: the event points in the direction of the mean. A zero vector, or any vector if the mean is
    zero, scores 1.

    >>> vectors = pa.array([[0, 1], [0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> CosineScorer(Score()).score(pa.record_batch({"embedding": vectors})).values.round(3).tolist()
    [0.051, 0.051, 0.051, 0.684]
    """

    def __init__(self, options: Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows).astype(np.float64)
        mean = vectors.mean(axis=0)
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean)
        cosine = np.divide(vectors @ mean, norms, out=np.zeros(len(vectors)), where=norms > 0)
        return Scores.of(np.clip(1.0 - cosine, 0.0, 2.0))
