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


def test_rows_say_the_budget_and_what_it_gave_in_the_last_day() -> None:
    day = 24 * 60
    run = Run(budget="48/d", close_after=duration("1m"), cool_down=duration("1m"), least_anomaly=1.0)
    said = []
    for end in (1, 2, 5, 5 + day // 2, day, day + 1, day + 4):
        rows = run.minute(end, rows=1, a=[one(str(end), end, 9.0, 90.0 * end)])
        said += [(row["realised_per_day"], row["budget_per_day"]) for row in rows if row["state"] == "open"]
    assert said == [(realised, 48.0) for realised in (1, 2, 3, 4, 5, 5, 5)]
    late = run.minute(3, late=True, b=[one("late", 3, 9.0)])
    assert [(row["realised_per_day"], row["budget_of"]) for row in late] == [(5, "stream")]


def test_with_a_budget_for_each_key_the_openings_are_those_of_the_key() -> None:
    run = Run(per="key", alpha=0.01)
    more = run.minute(1, a=[one("a", 1, 9.0)], b=[one("b", 1, 9.0)])
    more += run.minute(2, b=[one("apart", 2, 9.0, 90.0)])
    assert [(row["key"], row["realised_per_day"]) for row in more] == [("a", 1), ("b", 1), ("b", 2)]
    assert {(row["budget_of"], row["budget_per_day"]) for row in more} == {("key", None)}
