"""Scorers by name. tests/unit/score/test_contract.py has what all scorers must do."""

import numpy as np
import pytest

from dataflow.errors import SettingsError
from dataflow.score.scorers import open_scorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


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
