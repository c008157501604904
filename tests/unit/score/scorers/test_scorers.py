"""The contract of all scorers."""

import numpy as np
import pytest

from dataflow.errors import SettingsError
from dataflow.score.scorers import SCORERS, open_scorer
from dataflow.settings import Score
from tests.support import scorers
from tests.support.batches import embedded, unit_vectors

KINDS = [*SCORERS, f"{scorers.__name__}:norm_from_first"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 200])
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "equal"])
def test_one_finite_score_a_row_whatever_the_window(kind: str, n: int, equal: bool) -> None:
    vectors = np.repeat(unit_vectors(1), n, axis=0) if equal else unit_vectors(n)
    scores = open_scorer(Score(kind=kind)).score(embedded(vectors))
    assert scores.values.shape == scores.cluster.shape == (n,)
    assert scores.values.dtype == np.float64
    assert scores.cluster.dtype == np.int32
    assert np.isfinite(scores.values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_window_scores_the_same_again(kind: str) -> None:
    window = embedded(unit_vectors(100))
    first, again = open_scorer(Score(kind=kind)).score(window), open_scorer(Score(kind=kind)).score(window)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.cluster, again.cluster)


@pytest.mark.parametrize("kind", list(SCORERS))
def test_what_does_not_belong_scores_highest(kind: str) -> None:
    usual = unit_vectors(1) + 0.05 * unit_vectors(60, seed=1)
    # Two loose groups and one stranger to both: it must not get a cluster of its own.
    other = unit_vectors(1, seed=2) + 0.05 * unit_vectors(60, seed=3)
    stranger = -(usual[:1] + other[:1]) / 2
    vectors = np.vstack([usual, other, stranger]).astype(np.float32)
    scores = open_scorer(Score(kind=kind, clusters=1)).score(embedded(vectors))
    assert scores.values.argmax() == len(vectors) - 1


def test_the_order_of_the_rows_decides_the_order_of_the_scores_alone() -> None:
    vectors = unit_vectors(50)
    for kind in ("mean", "cosine", "knn", "lof"):
        scorer = open_scorer(Score(kind=kind))
        scores, turned = scorer.score(embedded(vectors)), scorer.score(embedded(vectors[::-1].copy()))
        np.testing.assert_allclose(scores.values, turned.values[::-1], rtol=1e-5)


def test_an_unknown_scorer_is_one_line() -> None:
    said = "score.kind='kmean': .* there are kmeans, mean, cosine, knn, lof, or module:function"
    with pytest.raises(SettingsError, match=said) as caught:
        open_scorer(Score(kind="kmean"))
    assert "\n" not in str(caught.value)
