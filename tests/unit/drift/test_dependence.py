"""How long blocks have to be."""

import numpy as np
import pytest

from dataflow.drift.blocks import cut
from dataflow.drift.comparison import Sample
from dataflow.drift.dependence import Dependence, Learnt, dependence, learn, taught
from dataflow.items.fixed import to_fixed
from tests.support.drift import DIM, repeated, sample


def learnt_from(samples: list[Sample]) -> Learnt:
    learnt: Learnt = {}
    for each in samples:
        learnt = learn(learnt, taught(cut(*each)))
    return learnt


def test_independent_rows_need_no_longer_blocks() -> None:
    rng = np.random.default_rng(0)
    found = dependence(learnt_from([sample(rng, 500) for _ in range(20)]), least=8)
    assert found
    assert found.length == 8
    assert found.inflation == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("times", [10, 30])
def test_blocks_are_about_as_long_as_repetitions(times: int) -> None:
    """The variance of the mean is that of independent rows, ``times`` times."""
    rng = np.random.default_rng(times)
    samples = [repeated(rng, 2000, times) for _ in range(20)]
    found = dependence(learnt_from(samples), least=1)
    assert found
    assert times / 2 <= found.length <= 4 * times
    blocks = [cut(*each, found.length) for each in samples]
    single = np.mean([b.sums.var(axis=0).sum() / found.length for b in blocks])
    rows = np.mean([each.vectors.astype(float).var(axis=0).sum() for each in samples])
    assert single * found.inflation / rows == pytest.approx(times, rel=0.25)


@pytest.mark.parametrize("rows", [120, 300, 1000])
def test_short_windows_learn_the_same_correlation(rows: int) -> None:
    """Blocks of 8 rows, of rows that come four times: the correlation is ``(4 / 6) / (8 - 4 / 3)``."""
    rng = np.random.default_rng(rows)
    learnt: Learnt = {}
    for _ in range(200):
        learnt = learn(learnt, taught(cut(*repeated(rng, rows, 4), 8, rows)))
    products, squares, _ = learnt[8]
    assert products / squares == pytest.approx(0.1, abs=0.03)


def test_there_is_no_length_if_repetitions_are_too_long() -> None:
    rng = np.random.default_rng(0)
    assert dependence(learnt_from([repeated(rng, 500, 100) for _ in range(9)]), least=1) is None


def test_lines_that_alternate_within_long_runs_need_long_blocks() -> None:
    """Neighbouring rows are not correlated, and every second row is."""
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(20):
        runs = np.repeat(rng.normal(size=(60, DIM)), 16, axis=0)
        samples.append(
            Sample(to_fixed((runs + 3 * np.eye(DIM)[np.arange(960) % 2]).astype(np.float32)), np.zeros(960))
        )
    found = dependence(learnt_from(samples), least=1)
    assert found
    assert found.length >= 16


def test_a_window_with_few_rows_teaches_nothing() -> None:
    assert dependence(learnt_from([sample(np.random.default_rng(0), n) for n in (0, 1, 9)]), least=1) is None


@pytest.mark.parametrize(("correlation", "is_known"), [(0.14, True), (0.16, False), (-0.5, True)])
def test_the_error_of_a_correlation_counts_twice(correlation: float, is_known: bool) -> None:
    """It is 0.05 for 100 pairs of neighbours, and a correlation of 0.25 is too much."""
    assert (dependence({4: (correlation, 1.0, 100)}, least=4) is not None) is is_known


def test_the_inflation_is_that_of_all_longer_blocks_and_the_last_one_counts_twice() -> None:
    learnt = {1: (2.0, 10.0, 10_000), 2: (1.0, 10.0, 10_000), 4: (0.5, 10.0, 10_000)}
    some = ((4,), (2, 4), (1, 2, 4))
    found = [dependence({length: learnt[length] for length in each}, least=1) for each in some]
    assert [each and (each.length, round(each.inflation, 6)) for each in found] == [
        (4, round(1.05**2, 6)),
        (2, round(1.05**2 * 1.1, 6)),
        (1, round(1.05**2 * 1.1 * 1.2, 6)),
    ]
    assert dependence({4: (-0.5, 1.0, 10_000)}, least=4) == Dependence(4, 1.0)
    negative = dependence({2: (0.2, 1.0, 10_000), 4: (-0.1, 1.0, 10_000)}, least=1)
    assert negative is not None
    assert negative.inflation == pytest.approx(0.9 * 1.2)


def test_each_window_takes_two_percent_of_the_weight_of_those_before() -> None:
    window = taught(cut(*sample(np.random.default_rng(0), 64)))
    once = learn({}, window)
    twice = learn(once, window)
    assert once.keys() == twice.keys()
    for length, sums in once.items():
        assert twice[length] == pytest.approx([1.98 * each for each in sums])


def test_the_longest_length_speaks_for_windows_that_need_longer_blocks() -> None:
    for correlation, is_known in ((0.1, True), (0.3, False)):
        learnt = {1: (2.0, 10.0, 10_000), 2: (10 * correlation, 10.0, 10_000)}
        found = [dependence(learnt, least) for least in (2, 4, 64)]
        assert found[0] == found[1] == found[2]
        assert (found[0] is not None) is is_known
