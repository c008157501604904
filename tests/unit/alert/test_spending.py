"""The level of each test."""

import numpy as np
import pytest

from dataflow.alert.spending import level

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
