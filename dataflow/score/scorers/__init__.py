"""Scorers: how far each event of a window is from the other events. A higher score is more anomalous.

A new scorer is a module in this package and a line in :data:`SCORERS`.
"""

from collections.abc import Callable

from dataflow.errors import SettingsError
from dataflow.score.scorers.base import Scorer, Scores
from dataflow.score.scorers.distance import CosineScorer, MeanScorer
from dataflow.score.scorers.frame import FrameScorer
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.score.scorers.neighbours import KnnScorer, LofScorer
from dataflow.settings import Score

__all__ = ["SCORERS", "Scorer", "Scores", "open_scorer"]

#: score.kind -> what makes the scorer from its options.
SCORERS: dict[str, Callable[[Score], Scorer]] = {
    "kmeans": KMeansScorer,
    "mean": MeanScorer,
    "cosine": CosineScorer,
    "knn": KnnScorer,
    "lof": LofScorer,
}


def open_scorer(options: Score) -> Scorer:
    """The scorer that ``score.kind`` names. Raises ``SettingsError`` if there is no such scorer.

    >>> import pyarrow as pa
    >>> vectors = pa.array([[0, 1], [0, 1], [1, 0]], pa.list_(pa.float32(), 2))
    >>> scores = open_scorer(Score(kind="knn", neighbours=1)).score(pa.record_batch({"embedding": vectors}))
    >>> scores.values.round(3).tolist()
    [0.0, 0.0, 1.414]
    """
    if scorer := SCORERS.get(options.kind):
        return scorer(options)
    if ":" in options.kind:
        return FrameScorer.load(options.kind)
    known = ", ".join(SCORERS)
    raise SettingsError(
        f"score.kind={options.kind!r}: no such scorer; the scorers are {known}, and module:function"
    )
