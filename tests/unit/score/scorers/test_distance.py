"""Distances to the mean, against their formulas."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.score.scorers.distance import CosineScorer, MeanScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors

Doubles = npt.NDArray[np.float64]


def distances(window: Doubles) -> Doubles:
    away: Doubles = np.linalg.norm(window - window.mean(axis=0), axis=1)
    return away


def cosines(window: Doubles) -> Doubles:
    mean = window.mean(axis=0)
    away: Doubles = 1 - window @ mean / np.linalg.norm(mean) / np.linalg.norm(window, axis=1)
    return away


#: Keys with one event, with a few, with as many as a block has, and with more.
sizes = st.lists(st.sampled_from([1, 1, 2, 3, 8, 9, 40, 63, 64, 65, 130]), min_size=1, max_size=40)


@pytest.mark.parametrize(("scorer", "formula"), [(MeanScorer, distances), (CosineScorer, cosines)])
@given(sizes=sizes)
def test_scores_equal_their_formulas(
    scorer: type[MeanScorer | CosineScorer], formula: Callable[[Doubles], Doubles], sizes: list[int]
) -> None:
    offsets = np.cumsum([0, *sizes])
    vectors = unit_vectors(sum(sizes))
    expected = [formula(part) for part in np.split(vectors.astype(np.float64), offsets[1:-1])]
    found = scorer(Score()).score_segments(embedded(vectors), offsets)
    np.testing.assert_allclose(found.values, np.concatenate(expected), atol=1e-12)


def test_where_there_is_no_direction_the_cosine_distance_is_one() -> None:
    opposite = np.array([[1, 0], [-1, 0]], np.float32)
    zero = np.array([[0, 0], [1, 0]], np.float32)
    assert CosineScorer(Score()).score(embedded(opposite)).values.tolist() == [1, 1]
    assert CosineScorer(Score()).score(embedded(zero)).values.tolist() == [1, 0]
