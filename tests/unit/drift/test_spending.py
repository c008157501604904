"""The level of each test, and the correction for several tests."""

import numpy as np
import pytest

from dataflow.drift.spending import corrected, level

DAY = 86_400_000_000


@pytest.mark.parametrize("step_h", [1, 5, 7, 24, 50])
def test_a_day_spends_alpha_at_most(step_h: float) -> None:
    step = round(step_h * DAY / 24)
    spent: dict[int, float] = {}
    for end in range(step, 10 * DAY + 1, step):
        day = (end - 1) // DAY
        spent[day] = spent.get(day, 0.0) + 4 * level(0.05, end - step, end, tests=4)
    assert max(spent.values()) <= 0.05 + 1e-12
    if 24 % step_h == 0:
        assert min(spent.values()) == pytest.approx(0.05)


def test_irregular_ends_spend_alpha_at_most() -> None:
    ends = np.sort(np.random.default_rng(0).integers(1, DAY + 1, 500)).tolist()
    levels = [level(0.05, last, now, tests=1) for last, now in zip([-DAY, *ends], ends, strict=False)]
    assert sum(levels) <= 0.05 + 1e-12
    assert level(0.05, ends[0], ends[0], tests=1) == 0


def test_corrected_p_values_are_those_of_holm() -> None:
    """The plain rule: reject in the order of the p-values while each is at most ``alpha / (tests left)``."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.random(5) ** 3
        alpha = rng.random()
        rejected = set()
        for rank, at in enumerate(np.argsort(values)):
            if values[at] > alpha / (5 - rank):
                break
            rejected.add(int(at))
        assert {i for i, p in enumerate(corrected(values.tolist())) if p <= alpha} == rejected
    assert corrected([]) == []
