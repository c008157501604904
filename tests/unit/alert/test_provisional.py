"""Alerts before windows end."""

from typing import Any

import numpy as np
import pytest

from dataflow.alert.alerts import Alerts
from dataflow.items.judged import Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.settings import Alert, Window, duration
from tests.support.judged import MINUTE, Seen, Unusual, early, judged
from tests.support.plain import stored

#: Windows of two minutes every minute.
WINDOW = Window(length=duration("2m"), slide=duration("1m"))


class Run:
    """One key group. Windows end every minute; a window without events of a key is not emitted."""

    def __init__(self, likeness: Likeness = UNMARKED, **fields: Any) -> None:
        options = Alert(alpha=0.01, history=duration("0s"), radius=0.5).model_copy(update=fields)
        self.options, self.likeness = options, likeness
        self.alerts = Alerts(options, WINDOW, 1, likeness=likeness)
        self.emissions, self.arrived = 0, 0

    def end(self, minute: int, model: str = "m 1", **keys: list[Unusual]) -> list[dict[str, Any]]:
        """The windows that end at a minute."""
        seen = {key: Seen((minute - 2) * MINUTE, minute * MINUTE, events) for key, events in keys.items()}
        rows = self.alerts.take("0", judged(self.emissions, seen, model))
        self.emissions += 1
        return rows + self.alerts.take("0", Passed(self.emissions, minute * MINUTE, self.arrived))

    def come(self, passed: int, model: str = "m 1", **keys: list[Unusual]) -> list[dict[str, Any]]:
        """Events come while the windows that ended last are those of a minute."""
        message = early(self.arrived, passed * MINUTE, WINDOW, keys, model)
        self.arrived += 1
        return self.alerts.take("0", message)

    def restart(self) -> None:
        state = stored(self.alerts.snapshot())
        self.alerts = Alerts(self.options, WINDOW, 1, state, likeness=self.likeness)


def at(name: str, minute: float, anomaly: float, angle: float = 0.0) -> Unusual:
    return Unusual(name, int(minute * MINUTE), anomaly, angle)


def started(**fields: Any) -> Run:
    """A run with thresholds: windows have ended at minute 2."""
    run = Run(**fields)
    run.end(2, a=[])
    return run


def states(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(row["key"], row["state"], row["count"]) for row in rows]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_alert_comes_with_the_event_and_is_confirmed_when_the_window_ends(restarts: bool) -> None:
    run = started()
    event = at("e", 2.2, 3.0)
    [row] = run.come(2, a=[event])
    assert (row["state"], row["sequence"], row["decided"], row["cluster"]) == ("provisional", 0, event.ts, -1)
    assert (row["window_start"], row["window_end"]) == (1 * MINUTE, 3 * MINUTE)
    assert row["message"].startswith("provisional, before the window ends: 1 unusual event at ")
    assert row["examples"][0]["id"] == "e"
    if restarts:
        run.restart()
    opened, confirmed = run.end(3, a=[event])
    assert opened["state"] == "open"
    assert (confirmed["incident"], confirmed["sequence"]) == (row["incident"], 1)
    assert (confirmed["state"], confirmed["merged_into"]) == ("confirmed", opened["incident"])
    assert run.end(4, a=[event]) == []


def test_an_alert_is_withdrawn_when_the_last_window_of_its_events_has_ended() -> None:
    run = started()
    [row] = run.come(2, a=[at("e", 2.2, 3.0)])
    assert run.end(3, a=[]) == []
    [withdrawn] = run.end(4, a=[])
    assert (withdrawn["incident"], withdrawn["state"]) == (row["incident"], "withdrawn")
    assert withdrawn["message"].startswith("withdrawn: the windows of its events have ended")
    assert run.alerts.snapshot()["provisional"] == []


def test_an_event_that_alerts_in_its_second_window_confirms() -> None:
    run = started()
    run.come(2, a=[at("e", 2.2, 3.0)])
    assert run.end(3, a=[]) == []
    assert states(run.end(4, a=[at("e", 2.2, 3.0)])) == [("a", "open", 1), ("a", "confirmed", 1)]


def test_events_that_are_near_join_and_each_of_them_confirms() -> None:
    run = started()
    assert states(run.come(2, a=[at("e", 2.1, 3.0), at("f", 2.2, 1.4, 10.0)])) == [("a", "provisional", 1)]
    assert run.come(2, a=[at("g", 2.3, 4.0, 20.0)]) == []
    opened, confirmed = run.end(3, a=[at("g", 2.3, 4.0, 20.0)])
    assert (confirmed["count"], confirmed["peak"]) == (3, 4.0)
    assert confirmed["examples"][0]["id"] == "g"
    assert confirmed["merged_into"] == opened["incident"]


def test_what_is_weak_or_near_an_open_incident_is_no_news() -> None:
    run = started()
    assert run.come(2, a=[at("weak", 2.1, 1.9)]) == []
    run.end(3, a=[at("open", 2.5, 3.0)])
    assert run.come(3, a=[at("near", 3.1, 5.0, 10.0)]) == []
    assert states(run.come(3, a=[at("far", 3.2, 5.0, 90.0)], b=[at("other", 3.2, 5.0)])) == [
        ("a", "provisional", 1),
        ("b", "provisional", 1),
    ]
    # Embeddings of two models cannot be compared.
    assert states(run.come(3, "m 2", a=[at("near", 3.3, 5.0, 10.0)])) == [("a", "provisional", 1)]


def test_an_alert_waits_for_the_windows_of_the_events_that_joined() -> None:
    run = started()
    run.come(2, a=[at("e", 2.2, 3.0)])
    run.end(3, a=[])
    assert run.come(3, a=[at("f", 3.2, 3.0, 10.0)]) == []
    assert run.end(4, a=[]) == []
    assert states(run.end(5, a=[])) == [("a", "withdrawn", 2)]


def test_events_of_another_model_do_not_join() -> None:
    run = started()
    run.come(2, a=[at("e", 2.2, 3.0)])
    assert states(run.come(2, "m 2", a=[at("f", 2.3, 3.0)])) == [("a", "provisional", 1)]


def test_what_is_near_an_incident_that_is_closed_is_news() -> None:
    run = started()
    run.end(3, a=[at("old", 2.5, 3.0)])
    assert states(run.end(10, a=[])) == [("a", "closed", 1)]
    assert states(run.come(10, a=[at("near", 10.1, 5.0, 10.0)])) == [("a", "provisional", 1)]
    assert [row["state"] for row in run.end(11, a=[at("near", 10.1, 5.0, 10.0)])] == ["reopened", "confirmed"]


def test_there_are_no_more_alerts_than_the_budget_has_room_for() -> None:
    run = started(alpha=None, budget="2/d")
    events = [at(f"e{i}", 2.1, 9.0, 90.0 * i) for i in range(4)]
    assert states(run.come(2, a=events)) == [("a", "provisional", 1)]
    opened = run.end(3, a=events[:1])
    assert states(opened) == [("a", "open", 1), ("a", "confirmed", 1)]
    assert run.come(3, a=[at("later", 3.1, 9.0, 90.0)]) == []


def test_nothing_alerts_before_there_is_a_threshold() -> None:
    assert Run().come(0, a=[at("e", 0.5, 9.0)]) == []
    assert started(history=duration("1h")).come(2, a=[at("e", 2.1, 9.0)]) == []


class _Expects(type(UNMARKED)):  # type: ignore[misc]
    def expected(self, key: str, at: int, model: str | None, vectors: Any) -> list[str | None]:
        self.at = at
        return ["mark" if vector[0] > 0 else None for vector in vectors]


def test_what_is_expected_does_not_alert() -> None:
    likeness = _Expects()
    run = started(likeness=likeness)
    rows = run.come(2, a=[at("usual", 2.1, 9.0), at("other", 2.1, 9.0, 180.0)])
    assert [row["examples"][0]["id"] for row in rows] == ["other"]
    # A mark counts from its own time on, so that a replay decides the same.
    assert likeness.at == 2 * MINUTE


def test_a_flood_has_bounded_state() -> None:
    run = started()
    for number in range(0, 3000, 500):
        run.come(2, a=[at(f"e{number + i}", 2.1, 3.0) for i in range(500)])
    [(_, [state])] = run.alerts.snapshot()["provisional"]
    assert state["incident"]["count"] == 3000
    assert len(state["events"]) == 1000
    assert np.frombuffer(state["incident"]["exemplars"], np.int16).size == 2
