"""The threshold that keeps a budget of incidents."""

import math

import numpy as np
import pytest

from dataflow.alert.budget import Budget
from dataflow.alert.thresholds import FixedLevel

STEP = 300_000_000
DAY = 288
ROWS = 600


def budget(per_day: float, history: int = 0) -> Budget:
    return Budget(per_day, step_us=STEP, history_us=history)


def run(
    level: Budget, rng: np.random.Generator, windows: int, off: float = 0.0, rows: int = ROWS, first: int = 0
) -> list[int]:
    """New incidents in each window, if all unusual events are apart. ``off``: how much too high each anomaly
    is.
    """
    found = []
    for number in range(first, first + windows):
        threshold = level.advance((number + 1) * STEP, rows)
        anomaly = rng.exponential(1 / math.log(10), rows) + off
        found.append(sum(level.spend() for _ in range(int((anomaly >= threshold).sum()))))
    return found


@pytest.mark.parametrize("per_day", [5, 20, 100])
@pytest.mark.parametrize("off", [-0.3, 0.0, 0.4])
def test_a_week_has_the_budget_of_a_week(per_day: float, off: float) -> None:
    found = [sum(run(budget(per_day), np.random.default_rng(seed), 7 * DAY, off)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(7 * per_day, rel=0.2)


def test_the_threshold_rises_until_few_events_are_refused() -> None:
    """Else the first events of a day would alert, and not the most unusual ones."""
    level, rng, refused, opened = budget(20), np.random.default_rng(4), 0, 0
    for number in range(7 * DAY):
        threshold = level.advance((number + 1) * STEP, ROWS)
        anomaly = rng.exponential(1 / math.log(10), ROWS) + 0.5
        spent = [level.spend() for _ in range(int((anomaly >= threshold).sum()))]
        if number >= DAY:
            opened, refused = opened + sum(spent), refused + spent.count(False)
    assert refused < 0.2 * opened


def test_a_flood_gets_what_is_left_and_then_the_budget() -> None:
    level, rng = budget(24), np.random.default_rng(1)
    run(level, rng, 2 * DAY)
    flood = run(level, rng, DAY, off=4.0, first=2 * DAY)
    assert sum(flood) <= 24 + 24
    assert sum(flood[12:]) == pytest.approx(24 * (DAY - 12) / DAY, abs=1)


def test_after_more_traffic_the_budget_holds_again() -> None:
    level, rng = budget(100), np.random.default_rng(2)
    run(level, rng, DAY)
    more = run(level, rng, 2 * DAY, rows=5 * ROWS, first=DAY)
    assert sum(more[12:]) == pytest.approx(200, rel=0.2)


def test_nothing_alerts_before_there_is_a_history() -> None:
    level = budget(20, history=3 * STEP)
    thresholds = [level.advance((n + 1) * STEP, ROWS) for n in range(4)]
    assert [math.isinf(each) for each in thresholds] == [True, True, False, False]


def test_a_night_without_events_gives_no_alerts_to_the_morning() -> None:
    level, rng = budget(20), np.random.default_rng(3)
    run(level, rng, DAY)
    before = level.correction
    level.advance((3 * DAY) * STEP, ROWS)
    assert level.correction > before - 0.2


def test_a_fixed_threshold_can_become_a_budget_and_back() -> None:
    fixed = FixedLevel(0.01, step_us=STEP, history_us=0)
    assert fixed.advance(STEP, ROWS) == 2.0
    level = Budget(20, step_us=STEP, history_us=3 * STEP, state=fixed.snapshot())
    assert [math.isinf(level.advance(n * STEP, ROWS)) for n in (2, 3)] == [True, False]
    again = FixedLevel(0.01, step_us=STEP, history_us=3 * STEP, state=level.snapshot())
    assert again.advance(4 * STEP, ROWS) == 2.0


def test_a_restart_changes_nothing() -> None:
    one, rng, other = budget(20), np.random.default_rng(5), np.random.default_rng(5)
    expected = run(one, rng, 2 * DAY)
    first = budget(20)
    found = run(first, other, DAY)
    second = Budget(20, step_us=STEP, history_us=0, state=first.snapshot())
    assert found + run(second, other, DAY, first=DAY) == expected
