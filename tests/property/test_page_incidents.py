"""The live page knows the events of incidents as the flow names them, in whatever order rows come."""

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashboard.store.incidents import Incidents, checked
from dashboard.store.members import Members
from dashboard.store.scores import event_hashes
from tests.support.alert_members import members
from tests.support.late_minutes import late_minutes, minutes_of, rows_of


def shown(rows: list[dict[str, Any]], most_changes: int) -> Members:
    incidents = Incidents()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dashboard.store.incidents._MOST_CHANGES", most_changes)
        for row in rows:
            incidents.add([checked(row)], 0)
    return Members(each.part for each in incidents.snapshot().values())


def of(id: str) -> int:
    return int(event_hashes(pa.array(["k"]), pa.array([id]))[0])


@settings(max_examples=150)
@example(
    # The second event opens an incident, the third one merges both, and then the second one leaves.
    minutes=[(1, 0.0, (4.0,) * 3), (1, 50.0, (2.5, 0.0, 0.0)), (2, 25.0, (2.5,) * 3)],
    late=[1],
    seed=0,
)
@given(minutes=minutes_of, late=late_minutes, seed=st.integers(0, 2**32))
def test_each_event_is_in_the_incident_of_the_flow(minutes: Any, late: list[int], seed: int) -> None:
    rows, _ = rows_of(minutes, late)
    expected = members(rows)
    rng = random.Random(seed)
    said = [*rows, *rng.choices(rows, k=len(rows) // 2)] if rows else []
    rng.shuffle(said)
    for found in (shown(said, 200), shown(rows, 2)):
        for incident, ids in expected.items():
            assert set(found.events_of(incident).tolist()) == {of(id) for id in ids}
            assert [found.get(of(id)) for id in ids] == [incident] * len(ids)
        named = {id for row in rows for id in row["event_ids"]}
        gone = named - {id for ids in expected.values() for id in ids}
        assert [found.get(of(id)) for id in gone] == [None] * len(gone)
