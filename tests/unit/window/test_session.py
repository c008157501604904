"""Session windows: when sessions begin, grow, join and are gone."""

import numpy as np

from dataflow.clock import FOREVER, NEVER
from dataflow.items.windows import WindowRef
from dataflow.window.assigner import Pane
from dataflow.window.session import Sessions


def sessions(*times: int, lateness: int = 0) -> Sessions:
    """Sessions with a gap of 10, after events with these times."""
    made = Sessions(10, lateness)
    if times:
        made.add(np.array(times), NEVER)
    return made


def emitted(windows: Sessions, watermark: int) -> list[WindowRef]:
    return [ref for _, ref in windows.windows_to_emit(watermark)]


def test_events_less_than_the_gap_apart_are_in_one_session() -> None:
    assert emitted(sessions(0, 18, 9), 100) == [WindowRef(0, 28, 0)]
    assert emitted(sessions(0, 20, 10), 100) == [
        WindowRef(0, 10, 0),
        WindowRef(10, 20, 0),
        WindowRef(20, 30, 0),
    ]


def test_an_event_between_two_sessions_joins_them() -> None:
    windows = sessions(0, 15)
    assert windows.windows_open() == 2
    assert windows.add(np.array([8]), NEVER) == {Pane(2, 2): Pane(1, 1)}
    assert windows.windows_open() == 1
    assert windows.count_by_pane(np.array([0, 8, 15])) == {Pane(1, 1): 3}
    assert windows.extent(Pane(1, 1)) == (0, 25)
    assert list(windows.windows_kept(Pane(2, 2))) == []
    assert emitted(windows, 25) == [WindowRef(0, 25, 0)]


def test_a_session_is_emitted_again_when_an_event_joins_it_within_the_lateness() -> None:
    windows = sessions(0, lateness=100)
    assert emitted(windows, 10) == [WindowRef(0, 10, 0)]
    assert emitted(windows, 11) == []
    windows.add(np.array([-5]), 11)
    assert windows.awaits_revision()
    assert emitted(windows, 12) == [WindowRef(-5, 10, 1)]


def test_a_joined_session_goes_on_with_the_higher_revision() -> None:
    windows = sessions(0, 15, lateness=100)
    emitted(windows, 10)
    windows.add(np.array([1]), 10)
    assert emitted(windows, 11) == [WindowRef(0, 11, 1)]
    assert emitted(windows, 25) == [WindowRef(15, 25, 0)]
    windows.add(np.array([8]), 25)
    assert emitted(windows, 26) == [WindowRef(0, 25, 2)]


def test_an_event_is_late_if_its_own_session_would_be_gone_and_no_session_is_near() -> None:
    windows = sessions(30)
    ts, watermark = np.array([15, 15, 22]), np.array([24, 25, 35])
    assert windows.is_late(ts, watermark).tolist() == [False, True, False]
    assert windows.missed(15) == [(15, 25)]


def test_an_event_inside_a_session_that_is_gone_is_late_so_that_sessions_never_overlap() -> None:
    windows = sessions(0, 9, 18)
    emitted(windows, 28)
    windows.forget(28)
    assert windows.gone_until == 28
    assert windows.is_late(np.array([27, 28]), np.array([28, 28])).tolist() == [True, False]


def test_the_next_change_is_an_end_or_the_end_of_the_lateness() -> None:
    windows = sessions(0, 15, lateness=3)
    assert (windows.next_end(), windows.next_change(), windows.last_end()) == (10, 10, 25)
    emitted(windows, 10)
    assert (windows.next_end(), windows.next_change()) == (25, 13)
    windows.forget(13)
    assert (windows.next_change(), windows.rows_needed_since) == (25, 15)
    assert (sessions().next_change(), sessions().last_end()) == (FOREVER, NEVER)


def test_sessions_come_back_from_their_snapshot() -> None:
    windows = sessions(0, 15, lateness=100)
    emitted(windows, 10)
    again = Sessions(10, 100, windows.snapshot())
    assert again.snapshot() == windows.snapshot()
    assert emitted(again, 25) == emitted(windows, 25) == [WindowRef(15, 25, 0)]
