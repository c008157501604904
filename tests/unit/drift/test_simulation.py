"""P-values from draws."""

import numpy as np
import pytest

from dataflow.drift.simulation import TOGETHER, Doubles, simulated


def uniform(rng: np.random.Generator) -> Doubles:
    return rng.random((TOGETHER, 1))


def found(observed: float, most: int, seed: int = 0) -> tuple[float, int]:
    p, draws = simulated(np.array([observed]), uniform, seed=seed, most=most)
    return float(p[0]), draws


def test_a_p_value_counts_the_draws_that_are_as_large() -> None:
    assert found(0.0, 999) == (1.0, 999)
    assert found(2.0, 999) == (1 / 1000, 999)
    assert found(0.7, 99_999)[0] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("most", [1, 50, 999, 5000, 9999])
def test_small_p_values_take_all_draws(most: int) -> None:
    assert found(2.0, most) == (1 / (1 + most), most)


def test_more_draws_are_for_small_p_values_alone() -> None:
    assert found(0.5, 99_999)[1] == 999
    assert found(0.995, 99_999)[1] == 9999
    assert found(0.9997, 99_999)[1] == 99_999


def test_p_values_are_valid_at_each_level() -> None:
    """Also at levels near those where the number of draws changes."""
    rng, runs = np.random.default_rng(1), 3000
    values = np.array([found(rng.random(), 9999, seed)[0] for seed in range(runs)])
    for level in (0.002, 0.005, 0.01, 0.011, 0.012, 0.05, 0.3):
        assert (values <= level).mean() <= level + 3.5 * np.sqrt(level / runs)


def test_what_is_equal_up_to_its_last_bits_is_equal() -> None:
    p, _ = simulated(np.array([0.3]), lambda _: np.full((TOGETHER, 1), 0.1 + 0.2 - 1e-12), seed=0, most=99)
    assert p.tolist() == [1.0]
