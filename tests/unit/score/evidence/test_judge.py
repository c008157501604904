"""The p-value of each evidence, beside its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.score.evidence.beside import Values
from dataflow.score.evidence.judge import SURGE, _log10

surges = st.integers(0, 80).map(lambda surge: surge / 20)
values = st.lists(st.tuples(st.integers(0, 9), surges), min_size=2, max_size=30)


def rank(value: float, others: list[float]) -> float:
    return -math.log10((1 + sum(other >= value for other in others)) / (1 + len(others)))


@given(values, surges, st.data())
def test_sum_ranks_a_sum_that_is_made_of_ranks(
    known: list[tuple[int, float]], surge: float, data: st.DataObject
) -> None:
    novelties = [float(novelty) for novelty, _ in known]
    novelty, zeros = data.draw(st.sampled_from(novelties)), np.zeros(len(known))
    usual = Values(np.array(novelties), np.array([of_usual for _, of_usual in known]), zeros, zeros)
    sums = [
        rank(novelties[i], novelties[:i] + novelties[i + 1 :]) + max(0.0, of_usual - SURGE)
        for i, (_, of_usual) in enumerate(known)
    ]
    mine = rank(novelty, novelties) + max(0.0, surge - SURGE)
    # Beyond the highest of the usual values there is no rank. Equal sums may differ in their last bits.
    if mine <= max(sums) and min(abs(mine - each) for each in sums) > 1e-9:
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
