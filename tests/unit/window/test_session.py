"""Session windows of several keys: when sessions begin, grow, join and are gone, and which keys are due."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import FOREVER, NEVER
from dataflow.window.assigner import Assigned, Pane
from dataflow.window.session import Sessions
from tests.support.window_items import keyed_events

GAP = 10


def sessions(*times: int, lateness: int = 0, key: str = "k") -> Sessions:
    """Sessions with a gap of 10, after events of a key with these times."""
    made = Sessions(GAP, lateness)
    if times:
        add(made, *((key, t) for t in times))
    return made


def add(windows: Sessions, *events: tuple[str, int]) -> Assigned:
    return windows.assign(keyed_events(*events))


def ended(windows: Sessions, watermark: int, fired: int = NEVER, key: str = "k") -> list[tuple[int, int]]:
    return sorted(windows.span(key, window) for window in windows.ended(key, (), fired, watermark))


def ids(assigned: Assigned) -> list[int]:
    assert assigned.first is assigned.last
    numbers: list[int] = assigned.first.tolist()
    return numbers


def test_events_less_than_the_gap_apart_are_in_one_session() -> None:
    assert ended(sessions(0, 18, 9), 100) == [(0, 28)]
    assert ended(sessions(0, 20, 10), 100) == [(0, 10), (10, 20), (20, 30)]


def test_a_session_ends_once_when_the_watermark_reaches_its_end() -> None:
    assert ended(sessions(0, 5), 14) == []
    assert ended(sessions(0, 5), 15) == [(0, 15)]
    assert ended(sessions(0, 5), 16, fired=15) == []


def test_an_event_between_two_sessions_joins_them_and_the_older_id_stays() -> None:
    windows = sessions(0, 15)
    assigned = add(windows, ("k", 8))
    assert (ids(assigned), list(assigned.merged)) == ([1], [("k", 2, 1)])
    assert windows.span("k", 1) == windows.extent("k", Pane(1, 1)) == (0, 25)
    assert [list(windows.kept("k", Pane(n, n), 24)) for n in (1, 2)] == [[1], []]
    assert ended(windows, 25) == [(0, 25)]


def test_an_event_is_in_the_session_that_a_later_event_of_its_batch_joined_to_an_older_one() -> None:
    """8 joins the session of 15; then 22 and 31 join that session to the older one of 40."""
    windows = sessions(40)
    assert ids(add(windows, ("k", 15))) == [2]
    assigned = add(windows, ("k", 8), ("k", 31), ("k", 22))
    assert (ids(assigned), list(assigned.merged)) == ([1, 1, 1], [("k", 2, 1)])
    assert windows.span("k", 1) == (8, 50)


batches = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 120)), min_size=1, max_size=15), max_size=4
)


@given(batches)
def test_each_key_has_the_sessions_that_it_would_have_alone(given: list[list[tuple[str, int]]]) -> None:
    together = Sessions(GAP, 0)
    panes: dict[tuple[str, int], set[int]] = {}
    for events in given:
        assigned = add(together, *events)
        for key, old, new in assigned.merged:
            panes.setdefault((key, new), set()).update(panes.pop((key, old), ()))
        for (key, ts), number in zip(events, ids(assigned), strict=True):
            panes.setdefault((key, number), set()).add(ts)
    alone = {key: Sessions(GAP, 0) for key in "abc"}
    for events in given:
        for key in {key for key, _ in events}:
            add(alone[key], *(event for event in events if event[0] == key))
    assert {key: ended(together, FOREVER, key=key) for key in "abc"} == {
        key: ended(alone[key], FOREVER, key=key) for key in "abc"
    }
    # Each event is in the session that it was assigned to, and the session is no longer than its events.
    for (key, number), times in panes.items():
        assert together.span(key, number) == (min(times), max(times) + GAP)


def test_an_event_is_late_if_its_own_session_would_be_gone_and_no_session_is_near() -> None:
    windows = sessions(30)
    ts, watermark = np.array([15, 15, 22, 30]), np.array([24, 25, 35, 30])
    assert windows.behind(ts, watermark).tolist() == [True, True, True, False]
    assert not windows.late(ts, watermark).any()
    assert [windows.is_late("k", 15, 24), windows.is_late("k", 15, 25)] == [False, True]
    assert windows.is_late("k", 22, 35) is False
    assert windows.is_late("other", 22, 35) is True
    assert windows.missed(15) == [(15, 25)]


def test_an_event_two_gaps_behind_joins_only_a_session_into_which_it_falls() -> None:
    windows = sessions(30, 39, 48)
    assert [windows.is_late("k", 22, gone) for gone in (41, 42)] == [False, True]
    assert not windows.is_late("k", 30, 57)


def test_sessions_do_not_overlap_although_one_was_gone_before_the_other_began() -> None:
    windows = sessions(0)
    windows.forget("k", 20, 20)
    add(windows, ("k", 11))
    assert windows.is_late("k", 2, 20)


def test_an_event_inside_a_session_that_is_gone_is_late_so_that_sessions_never_overlap() -> None:
    windows = sessions(0, 9, 18)
    windows.forget("k", 28, 28)
    assert [windows.is_late("k", ts, 28) for ts in (27, 28)] == [True, False]
    assert not windows.is_late("other", 27, 28)
    again = Sessions(GAP, 0, windows.snapshot())
    assert again.is_late("k", 27, 28)


def test_sessions_are_forgotten_when_they_are_gone_and_the_key_when_its_events_are_late_anyway() -> None:
    windows = sessions(0, 15, lateness=3)
    windows.forget("k", 13, 10)
    assert ended(windows, 100) == [(15, 25)]
    windows.forget("k", 28, 25)
    assert windows.snapshot() == (2, [], [("k", 25)])
    windows.forget("k", 47, 44)
    assert windows.snapshot() == (2, [], [("k", 25)])
    windows.forget("k", 48, 45)
    assert windows.snapshot() == (2, [], [])
    # Nothing is lost: what fell into the session is late by its time, whatever comes later.
    add(windows, ("k", 36), ("k", 33))
    assert windows.is_late("k", 24, 45)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-30, 60)), max_size=4), st.integers(0, 30)
        ),
        max_size=12,
    ),
    st.sampled_from([0, 4, 25]),
    st.booleans(),
)
def test_each_key_is_due_as_soon_as_a_session_of_it_ends_or_is_gone_and_once(
    steps: list[tuple[list[tuple[str, int]], int]], lateness: int, restart: bool
) -> None:
    windows, watermark = Sessions(GAP, lateness), 0
    for events, forward in steps:
        # No event is late.
        if near := [
            (key, watermark + ts)
            for key, ts in events
            if not windows.is_late(key, watermark + ts, watermark - lateness)
        ]:
            add(windows, *near)
        if restart:
            windows = Sessions(GAP, lateness, windows.snapshot())
        fired, watermark = watermark, watermark + forward
        _, live, gone = windows.snapshot()
        ends = {key: [newest + GAP for _, _, newest in of_key] for key, of_key in live}
        must = {
            key
            for key, of_key in ends.items()
            if any(fired < end <= watermark or fired < end + lateness <= watermark for end in of_key)
        }
        must |= {key for key, end in gone if end + 2 * GAP <= watermark - lateness}
        due = windows.due(fired, watermark, lateness)
        assert len(due) == len(set(due))
        assert must <= set(due)
        for key in due:
            windows.forget(key, watermark, watermark - lateness)
        assert set(windows.due(watermark, watermark, lateness)) == set()
        left = {key for key, of_key in windows.snapshot()[1] if of_key}
        assert left == {
            key for key, of_key in ends.items() if any(end > watermark - lateness for end in of_key)
        }


def test_a_watermark_that_ends_nothing_looks_at_no_key() -> None:
    """The work does not depend on the number of keys."""
    windows = Sessions(GAP, 0)
    add(windows, *((f"k{number}", number) for number in range(100)))
    assert windows.due(NEVER, 9, 0) == []
    assert windows.due(9, 12, 0) == ["k0", "k1", "k2"]


def test_sessions_come_back_from_their_snapshot() -> None:
    windows = sessions(0, 15, lateness=100)
    add(windows, ("b", 3))
    again = Sessions(GAP, 100, windows.snapshot())
    assert again.snapshot() == windows.snapshot()
    assert ended(again, 25, fired=10) == [(15, 25)]
    # Ids go on where they were.
    assert ids(add(again, ("c", 1))) == ids(add(windows, ("c", 1))) == [4]
    # Which keys are due is found again: a longer or shorter lateness changes it.
    assert sorted(again.due(NEVER, 0, 100)) == ["b", "k"]


def test_nothing_is_left_of_a_key_that_is_gone_if_its_watermark_is_its_own() -> None:
    windows = Sessions(GAP, 0, shared=False)
    add(windows, ("k", 0))
    windows.forget("k", 30, 30)
    assert windows.snapshot() == (1, [], [])
    assert not windows._due_at
    assert not windows._due
