"""Distances to the mean, against their formulas."""

import numpy as np
import pytest

from dataflow.score.scorers.distance import CosineScorer, MeanScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


@pytest.mark.parametrize("n", [1, 2, 40])
def test_scores_equal_their_formulas(n: int) -> None:
    vectors = unit_vectors(n).astype(np.float64)
    window, mean = embedded(vectors.astype(np.float32)), vectors.mean(axis=0)
    distances = np.linalg.norm(vectors - mean, axis=1)
    cosine = 1 - vectors @ mean / np.linalg.norm(mean) / np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(MeanScorer(Score()).score(window).values, distances, atol=1e-5)
    np.testing.assert_allclose(CosineScorer(Score()).score(window).values, cosine, atol=1e-5)


def test_where_there_is_no_direction_the_cosine_distance_is_one() -> None:
    opposite = np.array([[1, 0], [-1, 0]], np.float32)
    zero = np.array([[0, 0], [1, 0]], np.float32)
    assert CosineScorer(Score()).score(embedded(opposite)).values.tolist() == [1, 1]
    assert CosineScorer(Score()).score(embedded(zero)).values.tolist() == [1, 0]
