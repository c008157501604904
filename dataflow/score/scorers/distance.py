"""Distance to the middle of the window: the plainest scorers there are."""

import numpy as np
import pyarrow as pa

from dataflow import settings
from dataflow.items.schemas import embeddings
from dataflow.score.scorers.base import Scores


class MeanScorer:
    """``||x - mean(X)||``: Euclidean distance to the window's mean, in [0, 2] for unit vectors."""

    def __init__(self, options: settings.Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows).astype(np.float64)
        return Scores.of(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1))


class CosineScorer:
    """``1 - cos(x, mean(X))``, in [0, 2]. A zero vector is orthogonal to everything: 1."""

    def __init__(self, options: settings.Score) -> None:
        del options

    def score(self, rows: pa.RecordBatch) -> Scores:
        vectors = embeddings(rows).astype(np.float64)
        mean = vectors.mean(axis=0)
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean)
        cosine = np.divide(vectors @ mean, norms, out=np.zeros(len(vectors)), where=norms > 0)
        return Scores.of(np.clip(1.0 - cosine, 0.0, 2.0))
