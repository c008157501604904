"""Scorers: how far each event of a window is from the other events. A higher score is more anomalous.

A new scorer is a module in this package and a line in :data:`SCORERS`.
"""

from importlib import import_module

from dataflow.errors import SettingsError
from dataflow.score.scorers.base import Scorer, Scores, SegmentScorer, joined, score_segments
from dataflow.settings import Score

__all__ = ["SCORERS", "Scorer", "Scores", "SegmentScorer", "joined", "open_scorer", "score_segments"]

#: score.kind -> module and class of the scorer. The module is imported when it is used: a process that needs
#: neither scikit-learn nor pandas starts in 1 s instead of 4.
SCORERS = {
    "kmeans": ("dataflow.score.scorers.kmeans", "KMeansScorer"),
    "mean": ("dataflow.score.scorers.distance", "MeanScorer"),
    "cosine": ("dataflow.score.scorers.distance", "CosineScorer"),
    "knn": ("dataflow.score.scorers.neighbours", "KnnScorer"),
    "lof": ("dataflow.score.scorers.neighbours", "LofScorer"),
}


def open_scorer(options: Score) -> Scorer:
    """The scorer that ``score.kind`` names. Raises ``SettingsError`` if there is no such scorer.

    >>> import pyarrow as pa
    >>> vectors = pa.array([[0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scores = open_scorer(Score(kind="knn", neighbours=1)).score(pa.record_batch({"embedding": vectors}))
    >>> scores.values.round(3).tolist()
    [0.0, 0.0, 1.414]
    """
    module, name = SCORERS.get(options.kind, ("", ""))
    if not module and ":" in options.kind:
        module, name = "dataflow.score.scorers.frame", "open_frame_scorer"
    if not module:
        known = ", ".join(SCORERS)
        raise SettingsError(
            f"score.kind={options.kind!r}: no such scorer; there are {known}, or module:function"
        )
    scorer: Scorer = getattr(import_module(module), name)(options)
    return scorer
