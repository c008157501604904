"""The p-value of each evidence, beside its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.score.evidence.beside import Values
from dataflow.score.evidence.judge import SURGE, _log10

values = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30)


def rank(value: float, others: list[float]) -> float:
    return -np.log10((1 + sum(other >= value for other in others)) / (1 + len(others)))


@given(values, st.data())
def test_sum_ranks_a_sum_that_is_made_of_ranks(known: list[tuple[int, int]], data: st.DataObject) -> None:
    # The evidence of an event that is as unusual as one of the usual events: beyond them there is no rank.
    novelty, surge = data.draw(st.sampled_from(known))
    names = [float(n) for n, _ in known], [float(s) for _, s in known]
    usual = Values(np.array(names[0]), np.array(names[1]), np.zeros(len(known)), np.zeros(len(known)))
    sums = [
        rank(n, names[0][:i] + names[0][i + 1 :]) + max(0.0, s - SURGE)
        for i, (n, s) in enumerate(zip(*names, strict=True))
    ]
    mine = rank(float(novelty), names[0]) + max(0.0, surge - SURGE)
    if mine <= max(sums):
        found = Values(np.array([novelty]), np.array([surge]), np.zeros(1), np.zeros(1))
        assert np.isclose(_log10("sum", found, usual)[0], rank(mine, sums))


@pytest.mark.parametrize("kind", ["novelty", "surge", "rarity", "score"])
@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.data())
def test_a_column_is_ranked_among_the_same_column(kind: str, known: list[int], data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(known))
    columns = ("novelty", "surge", "rarity", "score")
    usual = Values(*(np.array(known if kind == name else [0] * len(known), float) for name in columns))
    found = Values(*(np.array([value if kind == name else 0], float) for name in columns))
    assert np.isclose(_log10(kind, found, usual)[0], rank(value, [float(each) for each in known]))
