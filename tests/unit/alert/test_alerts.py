"""Which events alert, and which have the first claim to the budget."""

import pytest

from dataflow.settings import duration
from tests.support.alert_minutes import Run, one
from tests.support.judged import MINUTE


def test_the_most_unusual_event_has_the_first_claim() -> None:
    run = Run(budget="1/d")
    found = run.minute(1, a=[one("low", 1, 6.0)], b=[one("high", 1, 7.0)], c=[one("middle", 1, 6.5)])
    assert [(row["key"], row["state"]) for row in found] == [("b", "open")]
    assert run.alerts.take_suppressed() == 2
    assert run.alerts.take_suppressed() == 0


def test_each_key_may_have_a_budget_of_its_own() -> None:
    run = Run(budget="1/d", per="key")
    rows = run.minute(1, a=[one("a", 1, 7.0)], b=[one("b", 1, 7.0)], c=[one("c", 1, 7.0)])
    assert [row["key"] for row in rows] == ["a", "b", "c"]


def test_late_windows_have_the_threshold_of_their_time_and_take_nothing_from_the_budget() -> None:
    run = Run(budget="24000/d")
    [row] = run.minute(1, a=[one("first", 1, 9.0)])
    busy = [run.minute(end, rows=100_000, a=[one(f"busy {end}", end, 9.0, 90.0)])[0] for end in (2, 3)]
    assert busy[1]["threshold"] > row["threshold"] + 1
    between = row["threshold"] + 0.5
    run.minute(4, rows=100_000, a=[one("fourth", 4, between, 180.0)])
    assert not run.minute(5, rows=100_000, a=[one("fifth", 5, between, 180.0)])
    before = run.alerts.snapshot()["thresholds"]
    late = run.minute(1, late=True, a=[one("first", 1, 9.0), one("late", 1, between, 270.0)])
    assert [(each["state"], each["threshold"]) for each in late] == [("open", row["threshold"])]
    assert run.alerts.snapshot()["thresholds"] == before


def test_a_late_window_that_is_usual_withdraws_its_incident() -> None:
    run = Run(alpha=0.01)
    run.minute(1, a=[one("one", 1, 3.0)])
    [row] = run.minute(1, late=True, a=[])
    assert (row["state"], row["count"], row["sequence"]) == ("withdrawn", 0, 1)
    assert run.alerts.open == 0


@pytest.mark.parametrize("alpha", [None, 0.001])
def test_there_is_no_alert_before_there_is_a_history(alpha: float | None) -> None:
    run = Run(alpha=alpha, history=duration("3m"))
    found = [run.minute(end, a=[one(str(end), end, 9.0, 60.0 * end)]) for end in (1, 2, 3)]
    assert [len(rows) for rows in found] == [0, 0, 1]


def test_an_incident_closes_when_the_stream_goes_on_though_its_key_is_silent() -> None:
    run = Run(alpha=0.01)
    run.minute(1, a=[one("one", 1, 3.0)])
    assert [run.minute(end, b=[]) for end in (2, 7)] == [[], []]
    [row] = run.minute(8, b=[])
    assert (row["key"], row["state"], row["decided"]) == ("a", "closed", 8 * MINUTE)
