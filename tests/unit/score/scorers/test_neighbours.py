"""Scores from neighbours, against their formulas."""

import numpy as np
import pytest

from dataflow.score.scorers.neighbours import KnnScorer, LofScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


@pytest.mark.parametrize("k", [1, 3, 39])
def test_scores_equal_their_formulas(k: int) -> None:
    vectors = unit_vectors(40)
    pairs = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=2)
    np.fill_diagonal(pairs, np.inf)
    nearest = np.argsort(pairs, axis=1)[:, :k]
    distances = np.take_along_axis(pairs, nearest, axis=1)
    reach = np.maximum(distances, distances[nearest, -1])
    density = 1 / reach.mean(axis=1)
    window, options = embedded(vectors), Score(neighbours=k)
    np.testing.assert_allclose(KnnScorer(options).score(window).values, distances.mean(axis=1), atol=1e-5)
    outlier_factor = density[nearest].mean(axis=1) / density
    np.testing.assert_allclose(LofScorer(options).score(window).values, outlier_factor, rtol=1e-3)


def test_an_event_alone_has_no_neighbours() -> None:
    window = embedded(unit_vectors(1))
    assert KnnScorer(Score()).score(window).values.tolist() == [0]
    assert LofScorer(Score()).score(window).values.tolist() == [1]
