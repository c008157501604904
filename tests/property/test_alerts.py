"""The same incidents, in whatever order key groups say what they found, and after any restart."""

import json
import operator
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.judged import Passed
from dataflow.settings import Alert, duration
from tests.support.alert_members import members
from tests.support.alert_messages import (
    GROUPS,
    KEYS,
    WINDOW,
    Message,
    Row,
    anomalies,
    interleaved,
    messages,
    run,
    streams,
)
from tests.support.judged import MINUTE, Unusual
from tests.support.judged import early as early_message
from tests.support.late_minutes import Event, late_minutes, minutes_of, rows_of


def last(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["incident"]: row for row in rows}


@pytest.mark.parametrize("budget", ["300/d", "5000/d"])
@given(events=streams, seed=st.integers(0, 2**32))
def test_arrival_and_restarts_change_nothing(
    budget: str, events: list[tuple[int, int, float, float, float]], seed: int
) -> None:
    options = Alert(budget=budget, history=duration("0s"), radius=0.5)
    parts, rng = messages(events), random.Random(seed)
    expected = run(options, [message for part in parts for message in part])
    said = interleaved(parts, rng)
    cuts = rng.sample(range(len(said)), 5)
    assert json.dumps(run(options, said, cuts)) == json.dumps(expected)


@given(events=streams)
def test_each_alerting_event_is_in_one_incident(
    events: list[tuple[int, int, float, float, float]],
) -> None:
    """With ``alpha``, it is known which events alert: those that are unusual enough in any window."""
    options = Alert(alpha=0.01, least_anomaly=2.0, history=duration("0s"), radius=0.5)
    rows = last(run(options, [message for part in messages(events, 2.0) for message in part]))
    alerting = [key for minute, key, *anomalies, _ in events if max(anomalies) >= 2.0]
    for key in range(KEYS):
        counted = sum(
            row["count"] for row in rows.values() if row["key"] == f"k{key}" and row["state"] != "merged"
        )
        assert counted == alerting.count(key)


@given(events=streams)
def test_each_alerting_event_is_named_by_its_incident(
    events: list[tuple[int, int, float, float, float]],
) -> None:
    options = Alert(alpha=0.01, least_anomaly=2.0, history=duration("0s"), radius=0.5)
    rows = run(options, [message for part in messages(events, 2.0) for message in part])
    alerting = {f"e{number}" for number, (_, _, *anomalies, _) in enumerate(events) if max(anomalies) >= 2.0}
    found = members(rows)
    named = [id for mine in found.values() for id in mine]
    assert sorted(named) == sorted(alerting)
    assert {row["unnamed"] for row in rows} <= {0}


@settings(max_examples=150)
@given(minutes=minutes_of, late=late_minutes, bound=st.sampled_from([2, 1000]))
def test_rows_name_the_events_that_count_whatever_late_events_change(
    minutes: list[Event], late: list[int], bound: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflow.alert.incident.MOST_NAMED", bound)
        rows, alerting = rows_of(minutes, late)
    found = members(rows)
    named = [id for mine in found.values() for id in mine]
    assert len(named) == len(set(named))
    assert set(named) <= alerting
    last_rows = last(rows)
    assert sum(last_rows[incident]["count"] for incident in found) == len(alerting)
    assert bound == 2 or set(named) == alerting


@given(events=streams)
def test_rows_of_an_incident_are_numbered(events: list[tuple[int, int, float, float, float]]) -> None:
    options = Alert(alpha=0.01, history=duration("0s"), radius=0.5)
    rows = run(options, [message for part in messages(events) for message in part])
    for incident in last(rows):
        mine = [row for row in rows if row["incident"] == incident]
        assert [row["sequence"] for row in mine] == list(range(len(mine)))
        assert mine[0]["state"] == "open"


def with_arrivals(
    parts: list[list[Message]], events: list[tuple[int, int, float, float, float]], early: Sequence[float]
) -> list[list[Message]]:
    """What key groups say if events are told of when they come. ``early``: their ``anomaly`` then."""
    found: list[list[Message]] = []
    for group, part in enumerate(parts):
        said: list[Message] = []
        arrived = 0
        for name, message in part:
            if not isinstance(message, Passed):
                said.append((name, message))
            else:
                said.append((name, message._replace(arrived=arrived)))
                minute = message.watermark // MINUTE
                coming = {
                    f"k{key}": [Unusual(f"e{number}", at * MINUTE, anomaly, angle)]
                    for number, (at, key, _, _, angle) in enumerate(events)
                    if key % GROUPS == group and at == minute and (anomaly := early[number]) >= 1.3
                }
                said.append((name, early_message(arrived, message.watermark, WINDOW, coming)))
                arrived += 1
        found.append(said)
    return found


@settings(max_examples=30)
@given(events=streams, early=st.lists(anomalies, min_size=25, max_size=25), seed=st.integers(0, 2**32))
def test_provisional_alerts_change_no_other_and_all_end(
    events: list[tuple[int, int, float, float, float]], early: list[float], seed: int
) -> None:
    options = Alert(alpha=0.01, history=duration("0s"), radius=0.5)
    parts, rng = messages(events), random.Random(seed)
    plain = run(options, [message for part in parts for message in part])
    parts = with_arrivals(parts, events, early)
    rows = run(options, [message for part in parts for message in part])
    first = {row["incident"]: row for row in reversed(rows)}
    provisional = {id for id, row in first.items() if row["state"] == "provisional"}
    assert [row for row in rows if row["incident"] not in provisional] == plain
    ends = {id: row for id, row in last(rows).items() if id in provisional}
    assert {row["state"] for row in ends.values()} <= {"confirmed", "withdrawn"}
    assert all(row["merged_into"] in first for row in ends.values() if row["state"] == "confirmed")
    assert all(row["sequence"] == 1 for row in ends.values())
    said = interleaved(parts, rng)
    cuts = rng.sample(range(len(said)), 5)
    by_id = operator.itemgetter("decided", "incident", "sequence")
    assert sorted(run(options, said, cuts), key=by_id) == sorted(rows, key=by_id)
