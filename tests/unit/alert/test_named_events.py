"""Which events the rows of an incident name."""

import pytest

from dataflow.alert.incident import MOST_NAMED
from tests.support.incident_key import Key, near
from tests.support.judged import Unusual


def test_a_flood_is_named_in_part() -> None:
    key = Key()
    key.window(10, *near(10_000), Unusual("highest", 1, 9.0))
    [incident] = key.incidents._incidents.values()
    assert len(key.joined[incident.id]) == MOST_NAMED
    assert key.joined[incident.id][0] == "highest"
    assert incident.unnamed == incident.count - MOST_NAMED


def test_ids_are_bounded_by_their_characters() -> None:
    key = Key()
    key.window(10, *(Unusual(f"{n}" * 30_000, n, 3.0) for n in range(9)))
    [incident] = key.incidents._incidents.values()
    assert (len(key.joined[incident.id]), incident.unnamed) == (3, 6)


def test_an_incident_takes_over_what_another_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.alert.incident.MOST_NAMED", 1)
    key = Key()
    key.window(10, Unusual("a", 1, 5.0, 0.0), *(Unusual(f"b{n}", 2, 3.0, 50.0) for n in range(3)))
    older, younger = key.incidents._incidents.values()
    assert (older.unnamed, younger.unnamed) == (0, 2)
    assert key.window(15, Unusual("d", 4, 2.5, 25.0)) == [("open", 5), ("merged", 3)]
    assert (older.unnamed, key.joined[older.id]) == (2, ("d",))


def test_an_incident_that_was_withdrawn_opens_again_with_the_next_number() -> None:
    key = Key()
    key.window(10, *near(1))
    [(first, _)] = key.rows
    assert key.window(10, at=11) == [("withdrawn", 0)]
    assert key.window(10, *near(1), at=12) == [("reopened", 1)]
    [(again, _)] = key.rows
    assert again == first
    assert [each.sequence for each in key.incidents._incidents.values()] == [3]
