"""Scorers that are functions over a DataFrame."""

import pandas as pd
import pytest

from dataflow.errors import SettingsError
from dataflow.score.scorers import open_scorer
from dataflow.score.scorers.frame import FrameScorer
from dataflow.settings import Score
from tests.support import scorers
from tests.support.batches import embedded, unit_vectors


def test_the_function_gets_the_window_as_a_frame() -> None:
    rows = embedded(unit_vectors(5))
    seen: list[pd.DataFrame] = []

    def score(frame: pd.DataFrame) -> "pd.Series[float]":
        seen.append(frame)
        return frame["embedding"].map(lambda vector: float(vector[0]))

    values = FrameScorer("mine", score).score(rows).values
    assert sorted(seen[0].columns) == sorted(rows.schema.names)
    assert values.tolist() == [vector[0] for vector in rows.column("embedding").to_pylist()]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no.such.module:f", "cannot be imported"),
        (f"{scorers.__name__}:nothing", "cannot be imported"),
        (f"{scorers.__name__}:NUMBER", "is not a function"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_one_line(kind: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        open_scorer(Score(kind=kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", ["one_number", "not_a_number"])
def test_a_function_that_returns_something_else_is_named(function: str) -> None:
    scorer = open_scorer(Score(kind=f"{scorers.__name__}:{function}"))
    with pytest.raises(SettingsError, match=f"{function}.*must return 3 finite numbers"):
        scorer.score(embedded(unit_vectors(3)))
