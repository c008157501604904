"""Scorers: how far each event of a window is from the others. Higher is more anomalous.

A new scorer is one module beside this one and one line in :data:`SCORERS`.
"""

from collections.abc import Callable

from dataflow import settings
from dataflow.errors import SettingsError
from dataflow.score.scorers.base import Scorer, Scores
from dataflow.score.scorers.distance import CosineScorer, MeanScorer
from dataflow.score.scorers.frame import FrameScorer
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.score.scorers.neighbours import KnnScorer, LofScorer

__all__ = ["SCORERS", "Scorer", "Scores", "open_scorer"]

#: score.kind -> what makes the scorer from the options.
SCORERS: dict[str, Callable[[settings.Score], Scorer]] = {
    "kmeans": KMeansScorer,
    "mean": MeanScorer,
    "cosine": CosineScorer,
    "knn": KnnScorer,
    "lof": LofScorer,
}


def open_scorer(options: settings.Score) -> Scorer:
    """The scorer that ``score.kind`` names. Raises ``SettingsError``."""
    if scorer := SCORERS.get(options.kind):
        return scorer(options)
    if ":" in options.kind:
        return FrameScorer.load(options.kind)
    known = ", ".join(SCORERS)
    raise SettingsError(f"score.kind={options.kind!r}: no such scorer; there are {known}, or module:function")
