"""The incidents of a key."""

from typing import Any

import numpy as np
import pytest

from dataflow.alert.incidents import Incidents
from tests.support.incident_key import RULES, Key, near
from tests.support.judged import MINUTE, Unusual
from tests.support.plain import stored


def test_a_flood_of_equal_events_is_one_incident() -> None:
    key = Key()
    assert key.window(10, *near(10_000)) == [("open", 10_000)]


def test_events_that_are_apart_are_incidents_of_their_own() -> None:
    key = Key()
    assert key.window(10, *near(3), *near(2, 90, first=3)) == [("open", 3), ("open", 2)]


def test_events_between_two_are_a_chain() -> None:
    key = Key()
    chain = [Unusual(f"e{i}", i, 3.0, 20.0 * i) for i in range(10)]
    assert key.window(10, *chain) == [("open", 10)]


def test_an_event_in_two_windows_counts_once() -> None:
    key = Key()
    assert key.window(10, *near(2)) == [("open", 2)]
    assert key.window(15, *near(2)) == []
    assert key.window(20, *near(2), *near(1, first=2)) == [("open", 3)]


def test_an_event_belongs_to_its_incident_even_if_another_is_nearer() -> None:
    key = Key()
    key.window(10, Unusual("a", 1, 3.0, 0.0))
    [(first, _)] = key.rows
    key.window(15, Unusual("a", 1, 3.0, 100.0), Unusual("b", 2, 3.0, 100.0))
    assert [id for id, _ in key.rows] != [first]
    assert [each.count for each in key.incidents._incidents.values()] == [1, 1]


def test_an_event_that_is_near_two_incidents_merges_them() -> None:
    key = Key()
    key.window(10, Unusual("a", 1, 5.0, 0.0), Unusual("b", 2, 3.0, 50.0), Unusual("c", 3, 2.0, 180.0))
    older, younger, _ = (id for id, _ in key.rows)
    assert key.window(15, Unusual("d", 4, 2.5, 25.0)) == [("open", 3), ("merged", 1)]
    assert key.rows == [(older, None), (younger, older)]
    assert key.window(20, Unusual("b", 2, 3.0, 50.0)) == []


def test_a_revision_withdraws_what_is_usual_now() -> None:
    key = Key()
    assert key.window(10, *near(3)) == [("open", 3)]
    assert key.window(10, *near(1), at=12) == [("open", 1)]
    assert key.window(10, at=13) == [("withdrawn", 0)]
    key.incidents.pass_time(34 * MINUTE)
    assert key.incidents.is_empty


def test_an_event_that_alerts_in_another_window_is_not_withdrawn() -> None:
    key = Key()
    key.window(10, *near(2))
    key.window(15, *near(2))
    assert key.window(10, at=16) == []
    assert key.window(15, *near(1), at=17) == [("open", 1)]


def test_a_quiet_incident_closes_cools_down_and_is_forgotten() -> None:
    key = Key()
    key.window(10, *near(1))
    [(first, _)] = key.rows
    assert key.window(40) == []
    assert key.window(45) == [("closed", 1)]
    assert key.window(90, *near(1, first=1)) == [("reopened", 2)]
    assert key.rows == [(first, None)]
    assert key.window(125) == [("closed", 2)]
    assert key.window(185, *near(1, first=2)) == [("open", 1)]
    assert [id for id, _ in key.rows] != [first]


def test_an_open_incident_is_preferred_to_one_that_cools_down() -> None:
    key = Key()
    key.window(10, Unusual("a", 1, 3.0, 0.0))
    key.window(50, Unusual("b", 2, 3.0, 40.0))
    assert key.window(55, Unusual("c", 3, 3.0, 20.0)) == [("open", 2)]


def test_without_room_events_do_not_alert_but_may_join() -> None:
    key = Key()
    assert key.window(10, *near(2), room=0) == []
    assert key.suppressed == 2
    assert key.window(15, *near(2), *near(1, 90, first=2, anomaly=4.0), room=1) == [("open", 1)]
    assert key.suppressed == 4
    assert key.window(20, *near(3, 90, first=2), room=0) == [("open", 3)]


def test_events_below_the_threshold_join_what_goes_on() -> None:
    key = Key()
    assert key.window(10, *near(5, anomaly=1.5)) == []
    assert key.window(15, *near(2), *near(3, first=2, anomaly=1.5), *near(2, 90, first=5, anomaly=1.5)) == [
        ("open", 5)
    ]
    # By chance, ten of a hundred events stand out. Nine may be chance, thirty are not.
    assert key.window(20, *near(9, first=10, anomaly=1.5)) == []
    assert key.window(25, *near(30, first=20, anomaly=1.5)) == [("open", 35)]
    assert key.suppressed == 0


def test_many_events_below_the_threshold_open_an_incident_again() -> None:
    key = Key()
    key.window(10, *near(1))
    assert key.window(60, *near(9, first=1, anomaly=1.5)) == [("closed", 1)]
    assert key.window(65, *near(30, first=1, anomaly=1.5)) == [("reopened", 31)]


def test_the_highest_anomaly_opens_and_names_the_incident() -> None:
    events = [Unusual("low", 1, 2.0), Unusual("high", 2, 4.0), Unusual("middle", 3, 3.0)]
    ids = []
    for order in ([0, 1, 2], [2, 1, 0]):
        key = Key()
        key.window(10, *(events[i] for i in order))
        [incident] = key.incidents._incidents.values()
        assert [each["id"] for each in incident.examples] == ["high", "middle", "low"]
        assert incident.peak == 4.0
        ids.append(incident.id)
    assert ids[0] == ids[1]


def test_embeddings_of_another_model_are_not_compared() -> None:
    key = Key()
    key.window(10, *near(1))
    assert key.window(15, *near(1), *near(1, first=1), model="m:2") == [("open", 1)]


def test_exemplars_are_few_and_apart() -> None:
    key, rng = Key(), np.random.default_rng(0)
    for number in range(20):
        angles = rng.uniform(0, 360, 50)
        key.window(
            10 + 5 * number,
            *(Unusual(f"{number}:{i}", i, 3.0, angle) for i, angle in enumerate(angles.tolist())),
        )
    [incident] = key.incidents._incidents.values()
    assert incident.count == 1000
    # Of 360 degrees, an exemplar takes 15 on each side.
    assert 12 <= len(incident.exemplars) <= 24


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_restart_changes_nothing(cut: int) -> None:
    windows: list[tuple[int, list[Unusual], int]] = [
        (10, near(3) + near(1, 90, first=3), 10),
        (15, near(3) + near(2, 20, first=4), 15),
        (10, near(2), 16),
        (50, near(1, 45, first=9), 50),
        (55, [], 55),
        (95, near(1, 90, first=10), 95),
    ]

    def run(cut: int | None) -> list[Any]:
        key, found = Key(), []
        for number, (end, events, at) in enumerate(windows):
            if number == cut:
                key.incidents = Incidents("k", RULES, stored(key.incidents.snapshot()))
            found.append((key.window(end, *events, at=at), key.rows))
        return found

    assert run(cut) == run(None)
