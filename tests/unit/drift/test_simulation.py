"""P-values from draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.drift.simulation import Doubles, _tail, simulated


def uniform(rng: np.random.Generator, count: int) -> Doubles:
    return rng.random((count, 1))


def exponential(rng: np.random.Generator, count: int) -> Doubles:
    return rng.exponential(size=(count, 1))


def found(observed: float, most: int, seed: int = 0) -> tuple[float, int]:
    p, _, draws = simulated(np.array([observed]), uniform, seed=seed, most=most)
    return float(p[0]), draws


def test_a_p_value_counts_the_draws_that_are_as_large() -> None:
    assert found(0.0, 999) == (1.0, 99)
    assert found(2.0, 999) == (1 / 1000, 999)
    assert found(0.7, 99_999)[0] == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize("most", [1, 50, 999, 5000, 9999])
def test_small_p_values_take_all_draws(most: int) -> None:
    assert found(2.0, most) == (1 / (1 + most), most)


@pytest.mark.parametrize("value", [0.5, 0.95, 0.98, 0.995, 0.9997, 0.99995])
def test_more_draws_are_for_small_p_values_alone(value: float) -> None:
    """The stages have 99, 199, 399 ... draws. The first one with ten draws as large says the p-value."""
    every = np.random.default_rng(0).random(99_999)
    stages = [100 * 2**stage - 1 for stage in range(10)] + [99_999]
    above = [int((every[:stage] >= value).sum()) for stage in stages]
    last = next(at for at, count in enumerate(above) if count >= 10 or at == 10)
    assert found(value, 99_999) == ((1 + above[last]) / (1 + stages[last]), stages[last])


def test_draws_are_counted_exactly() -> None:
    asked: list[int] = []

    def draw(rng: np.random.Generator, count: int) -> Doubles:
        asked.append(count)
        return uniform(rng, count)

    assert simulated(np.array([2.0]), draw, seed=0, most=1234).draws == sum(asked) == 1234
    assert max(asked) <= 100


@given(
    st.lists(st.floats(0, 9), min_size=1, max_size=4),
    st.floats(0, 0.3),
    st.sampled_from([99, 500, 2999]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_draws_that_end_early_change_no_alarm(
    observed: list[float], alarming: float, most: int, seed: int
) -> None:
    def draw(rng: np.random.Generator, count: int) -> Doubles:
        return rng.exponential(size=(count, len(observed)))

    every = simulated(np.array(observed), draw, seed=seed, most=most)
    early = simulated(np.array(observed), draw, seed=seed, most=most, alarming=alarming)
    assert early.draws <= every.draws
    if every.tails.min() <= alarming or early.tails.min() <= alarming:
        assert [each.tolist() for each in early[:2]] == [each.tolist() for each in every[:2]]


def test_draws_end_as_soon_as_no_value_can_alarm() -> None:
    def drawn(value: float, alarming: float) -> int:
        return simulated(np.array([value]), exponential, seed=0, most=9999, alarming=alarming).draws

    assert drawn(1.0, 1e-5) == 25
    # Ten draws of 9,999 may still be too few.
    assert drawn(6.0, 0.001) > drawn(6.0, 0.0001)
    assert drawn(30.0, 1e-5) == 9999


def test_p_values_are_valid_at_each_level() -> None:
    """Also at levels near those where the number of draws changes."""
    rng, runs = np.random.default_rng(1), 3000
    values = np.array([found(rng.random(), 9999, seed)[0] for seed in range(runs)])
    for level in (0.002, 0.005, 0.01, 0.011, 0.012, 0.05, 0.3):
        assert (values <= level).mean() <= level + 3.5 * np.sqrt(level / runs)


def test_what_is_equal_up_to_its_last_bits_is_equal() -> None:
    p, _, _ = simulated(np.array([0.3]), lambda _, n: np.full((n, 1), 0.1 + 0.2 - 1e-12), seed=0, most=99)
    assert p.tolist() == [1.0]


@pytest.mark.parametrize("decades", [4.5, 6.0, 8.0])
def test_a_value_above_all_draws_is_as_rare_as_the_tail_says(decades: float) -> None:
    """And a little less rare: the tail is taken for longer than it is."""
    value = decades * np.log(10)
    said = [simulated(np.array([value]), exponential, seed=seed, most=9999) for seed in range(40)]
    tails = np.array([float(each.tails[0]) for each in said if each.p_values[0] == 1e-4])
    assert len(tails) > 20
    assert (tails <= 1e-4).all()
    assert (tails < 10**-decades).mean() <= 0.1
    assert (tails <= 10 ** (1.5 - decades)).mean() >= 0.9


def test_few_draws_have_no_tail() -> None:
    found = simulated(np.array([2.0]), uniform, seed=0, most=999)
    assert found.tails.tolist() == found.p_values.tolist() == [1 / 1000]


def test_the_tail_does_not_depend_on_the_last_bits_of_draws() -> None:
    """Matrices that several threads multiply may differ there."""
    draws = np.random.default_rng(0).exponential(size=10_000)
    assert len({_tail(draws * (1 + bits * 1e-15), 15.0) for bits in range(-20, 20)}) == 1


def test_a_low_p_value_that_is_decided_lets_the_draws_of_the_others_go_on() -> None:
    """The first value has ten draws as large among 99, and the second one has one among 400, then all."""
    first = np.arange(999) < 10
    second = np.arange(999) >= 399
    second[0] = True
    every, at = np.column_stack([first, second]).astype(float), 0

    def draw(rng: np.random.Generator, count: int) -> Doubles:
        nonlocal at
        at += count
        return every[at - count : at]

    every[99:, 0] = 1.0
    found = simulated(np.array([1.0, 1.0]), draw, seed=0, most=999, alarming=0.12)
    assert found.p_values.tolist() == [11 / 100, 402 / 800]
    assert found.draws == 799
