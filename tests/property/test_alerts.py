"""The same incidents, in whatever order key groups say what they found, and after any restart."""

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import Alert, duration
from tests.support.alert_messages import KEYS, Row, interleaved, messages, run, streams


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
def test_rows_of_an_incident_are_numbered(events: list[tuple[int, int, float, float, float]]) -> None:
    options = Alert(alpha=0.01, history=duration("0s"), radius=0.5)
    rows = run(options, [message for part in messages(events) for message in part])
    for incident in last(rows):
        mine = [row for row in rows if row["incident"] == incident]
        assert [row["sequence"] for row in mine] == list(range(len(mine)))
        assert mine[0]["state"] == "open"
