"""P-values: what they are by definition, and that they hold on exchangeable values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.score.evidence.ranks import Ranks

values = st.lists(st.integers(0, 20), min_size=1, max_size=30)


@given(values, st.integers(-1, 21))
def test_up_to_the_highest_value_a_p_value_is_a_rank(values: list[int], value: int) -> None:
    value = min(value, max(values))
    expected = (1 + sum(other >= value for other in values)) / (1 + len(values))
    (found,) = Ranks(np.array(values, float), 0.1).log10(np.array([float(value)]))
    assert np.isclose(found, -np.log10(expected))


@given(values)
def test_own_values_are_ranked_beside_the_others(values: list[int]) -> None:
    found = Ranks(np.array(values, float), 0.1).own_log10(np.array(values, float))
    for i, value in enumerate(values):
        others = values[:i] + values[i + 1 :]
        assert np.isclose(found[i], -np.log10((1 + sum(o >= value for o in others)) / len(values)))


@given(values, st.lists(st.floats(-1, 100), min_size=2, max_size=10))
def test_a_higher_value_is_never_less_rare(values: list[int], others: list[float]) -> None:
    found = Ranks(np.array(values, float), 0.1).log10(np.sort(others))
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()


def test_p_values_of_exchangeable_values_are_uniform() -> None:
    rng = np.random.default_rng(0)
    draws = [Ranks(rng.exponential(size=99), 0.1).log10(rng.exponential(size=1))[0] for _ in range(4000)]
    for alpha in (0.01, 0.05, 0.5):
        assert abs(np.mean(np.array(draws) >= -np.log10(alpha) - 1e-9) - alpha) < 4 * np.sqrt(alpha / 4000)


def test_beyond_the_highest_value_the_tail_of_exponential_values_goes_on() -> None:
    ranks = Ranks(np.random.default_rng(1).exponential(size=2000), 0.1)
    assert np.isclose(ranks.log10(np.array([15.0]))[0], 15 * np.log10(np.e), rtol=0.2)
