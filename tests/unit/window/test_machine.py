"""The window machine of one key group: events in, whole windows and late events out."""

from typing import Any

import pytest

from dataflow.clock import NEVER
from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.window.machine import Windows
from dataflow.window.messages import Append, Drop, Gather, Output, Stamp
from tests.support.window_items import S, of_type, row_ids, stamp_of
from tests.support.windowing import Arrival, Emitted, Stage, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
sliding = spec(kind="sliding", length=10, slide=5, delay=0)
lateness = spec(kind="tumbling", length=10, delay=0, allowed_lateness=20)
session = spec(kind="session", gap=10, delay=0)
idle_keys = spec(kind="tumbling", length=10, delay=0, watermark="key", idle_timeout=60, remember=300)


def push(machine: Windows, *seconds: int, first: int = 0, before: int = NEVER, now: int = 0) -> Output:
    """Events of one key, in one partition without delay; ``before`` is the watermark before them."""
    rows, marks = batch([Arrival(ts) for ts in seconds], first), [before]
    for ts in seconds:
        marks.append(max(marks[-1], ts * S))
    return machine.push(stamp_of(rows, marks[:-1], marks[-1]), rows, now * S, arrival_us=7)


def mark(machine: Windows, watermark: int) -> Output:
    """A stamp without rows."""
    return machine.push(Stamp(None, stamp_of(batch([Arrival(0)]), (), watermark * S).watermark), None, 0)


def ref(start: int, end: int, revision: int = 0) -> WindowRef:
    return WindowRef(start * S, end * S, revision)


def staged(window: Any, *batches: list[tuple[int, str]]) -> Emitted:
    """What comes of batches of events: their times and their keys."""
    stage, first = Stage(window), 0
    for events in batches:
        stage.push([Arrival(ts, key=key) for ts, key in events], first)
        first += len(events)
    return stage.emitted()


def test_a_window_is_gathered_and_its_chunk_dropped_when_the_watermark_reaches_its_end() -> None:
    machine = Windows(tumbling, 0)
    assert of_type(push(machine, 1, 5).orders) == ["Append"]
    assert (machine.open, machine.rows, machine.chunks, list(machine.watermarks)) == (1, 2, [0], [5 * S])
    append, gather, *_ = push(machine, 9, 10, first=2, before=5 * S).orders
    assert isinstance(append, Append)
    assert gather == Gather(0, 0, KeyWindow(ref(0, 10)), parts=1, rows=3, arrival_us=7)
    assert (machine.open, machine.rows, list(machine.watermarks)) == (1, 1, [10 * S])


def test_a_mark_closes_the_windows_of_a_group_without_rows_and_no_records_closed_them() -> None:
    machine = Windows(tumbling, 0)
    push(machine, 1, 5)
    assert mark(machine, 9).orders == []
    assert mark(machine, 10).orders == [Gather(0, 0, KeyWindow(ref(0, 10)), parts=1, rows=2), Drop(0)]
    assert mark(Windows(tumbling, 0), 10).orders == []


def test_a_mark_moves_the_watermark_that_the_gauges_show() -> None:
    machine = Windows(tumbling, 0)
    push(machine, 5)
    mark(machine, 9)
    assert list(machine.watermarks) == [9 * S]


def test_an_event_in_several_windows_is_emitted_in_each() -> None:
    assert staged(sliding, [(7, "k"), (12, "k"), (30, "k")]).windows == {
        "k": [(ref(0, 10), (0,)), (ref(5, 15), (0, 1)), (ref(10, 20), (1,))]
    }


def test_an_event_behind_the_watermark_is_late_only_if_all_its_windows_have_ended() -> None:
    emitted = staged(sliding, [(16, "k"), (12, "k"), (9, "k")], [(20, "other")])
    assert emitted.late == {2: 1 * S}
    assert emitted.windows == {"k": [(ref(10, 20), (1, 0))]}


def test_the_watermark_is_that_right_before_each_event_whatever_the_key() -> None:
    """The event 15 of one key makes the event 5 of another key late, but not the event 5 before it."""
    for events in ([(5, "b"), (15, "a"), (5, "b")], [(5, "b"), (15, "b"), (5, "b")]):
        emitted = staged(tumbling, events)
        assert (emitted.windows, emitted.late) == ({"b": [(ref(0, 10), (0,))]}, {2: 5 * S})
    with_own = tumbling.model_copy(update={"watermark": "key"})
    assert staged(with_own, [(5, "b"), (15, "a"), (5, "b")]) == ({}, {})


def test_a_late_event_says_how_late_it_is_and_what_it_missed() -> None:
    output = push(Windows(sliding, 0), 30, 12, before=25 * S)
    (late,) = output.late
    assert (row_ids(late), late.column("late_by_us").to_pylist()) == ([1], [10 * S])
    assert late.column("missed").to_pylist() == [
        '[["1970-01-01T00:00:05.000000Z","1970-01-01T00:00:15.000000Z"],'
        '["1970-01-01T00:00:10.000000Z","1970-01-01T00:00:20.000000Z"]]'
    ]
    assert of_type(output.orders) == ["Append"]


def test_a_late_event_within_the_allowed_lateness_emits_the_window_of_its_key_again() -> None:
    batches = [[(5, "k"), (5, "b"), (15, "k")], [(6, "k"), (7, "k")], [(16, "k")], [(31, "k"), (8, "k")]]
    assert staged(lateness, *batches[:2]).windows == {"k": [(ref(0, 10), (0,))], "b": [(ref(0, 10), (1,))]}
    emitted = staged(lateness, *batches)
    assert emitted.windows["k"][1:] == [(ref(0, 10, 1), (0, 3, 4)), (ref(10, 20), (2, 5))]
    assert len(emitted.windows["b"]) == 1
    assert set(emitted.late) == {7}


def test_events_of_one_batch_on_both_sides_of_an_end_are_in_two_revisions() -> None:
    """The event 15 ends the window; the event 6 is added after it, and is not in revision 0."""
    assert staged(lateness, [(5, "k"), (15, "k"), (6, "k"), (16, "k")]).windows["k"] == [
        (ref(0, 10), (0,)),
        (ref(0, 10, 1), (0, 2)),
    ]


def test_an_event_behind_the_watermark_may_save_the_next_one_by_joining_a_session() -> None:
    """With a gap of 10, 22 joins [30, 40), and 14 joins [22, 40); alone, 14 would be late at 25."""
    events = [(30, "k"), (22, "k"), (14, "k"), (14, "b")]
    emitted = staged(session.model_copy(update={"delay": spec(gap=5).gap}), events, [(100, "z")])
    assert emitted.windows == {"k": [(ref(14, 40), (2, 1, 0))]}
    assert set(emitted.late) == {3}


def finished(window: Any, *batches: list[tuple[int, str]], crash: bool = False) -> Emitted:
    """The input ends after each batch, and goes on later."""
    stage, first = Stage(window), 0
    for events in batches:
        stage.push([Arrival(ts, key=key) for ts, key in events], first)
        first += len(events)
        emitted = stage.finish()
        if crash:
            stage.crash()
    return emitted


MODES = pytest.mark.parametrize("mode", ["stream", "key"])


@MODES
def test_the_end_of_the_input_closes_all_windows_and_emits_revisions(mode: str) -> None:
    window = lateness.model_copy(update={"watermark": mode, "allowed_lateness": spec(gap=100).gap})
    emitted = finished(window, [(5, "k"), (15, "k"), (6, "k"), (7, "b")])
    assert emitted.windows["k"] == [(ref(0, 10), (0,)), (ref(0, 10, 1), (0, 2)), (ref(10, 20), (1,))]
    assert len(emitted.windows["b"]) == 1


@pytest.mark.parametrize("mode", ["stream", "key"])
@pytest.mark.parametrize("crash", [False, True])
def test_a_revision_of_the_last_window_is_emitted_at_the_next_end_of_the_input(
    mode: str, crash: bool
) -> None:
    window = lateness.model_copy(update={"watermark": mode})
    emitted = finished(window, [(5, "k")], [(6, "k")], crash=crash)
    assert emitted.windows == {"k": [(ref(0, 10), (0,)), (ref(0, 10, 1), (0, 1))]}


@pytest.mark.parametrize("mode", ["stream", "key"])
def test_sessions_that_the_end_of_an_input_closed_never_overlap_with_later_ones(mode: str) -> None:
    emitted = finished(session.model_copy(update={"watermark": mode}), [(5, "k")], [(8, "k")])
    assert emitted.windows == {"k": [(ref(5, 15), (0,))]}
    assert set(emitted.late) == {1}


@MODES
def test_windows_that_the_end_of_an_input_closed_stay_closed(mode: str) -> None:
    emitted = finished(tumbling.model_copy(update={"watermark": mode}), [(5, "k")], [(6, "k"), (12, "k")])
    assert emitted.windows == {"k": [(ref(0, 10), (0,)), (ref(10, 20), (2,))]}
    assert set(emitted.late) == {1}


def test_one_event_from_the_future_does_not_make_a_longer_input_late() -> None:
    window = tumbling.model_copy(update={"max_jump": spec(gap=100).gap})
    emitted = finished(window, [(5, "k"), (9_999_999, "b")], [(12, "k"), (12, "b")])
    assert not emitted.late
    assert emitted.windows["b"] == [(ref(9_999_990, 10_000_000), (1,)), (ref(10, 20), (3,))]


@pytest.mark.parametrize("window", [tumbling, lateness, session, idle_keys])
def test_a_machine_goes_on_from_its_snapshot(window: Any) -> None:
    machine = Windows(window, 0)
    push(machine, 1, 12)
    again = Windows(window, 0, machine.snapshot())
    assert again.snapshot() == machine.snapshot()
    assert (again.open, again.rows, again.chunks) == (machine.open, machine.rows, machine.chunks)
    assert list(again.watermarks) == list(machine.watermarks) == [12 * S]
    both = [push(each, 25, first=2, before=12 * S).orders for each in (machine, again)]
    assert [order for order in both[0] if isinstance(order, Gather)] == [
        order for order in both[1] if isinstance(order, Gather)
    ]


def test_the_state_of_another_format_is_refused() -> None:
    state = Windows(tumbling, 0).snapshot() | {"format": 1}
    with pytest.raises(ValueError, match="format 1"):
        Windows(tumbling, 0, state)


def test_a_silent_key_closes_its_windows_by_the_wall_clock_and_is_forgotten() -> None:
    machine = Windows(idle_keys, 0)
    push(machine, 5)
    assert machine.tick(64 * S).orders == []
    (gather, drop) = machine.tick(65 * S).orders
    assert gather == Gather(0, 0, {"k": KeyWindow(ref(0, 10))}, parts=1, rows=1)
    assert drop == Drop(0)
    machine.tick(299 * S)
    assert len(push(Windows(idle_keys, 300 * S, machine.snapshot()), 6, first=1, now=300).late) == 1
    machine.tick(300 * S)
    assert (list(machine.watermarks), machine.snapshot()["fired"]) == ([], [])
    assert not push(machine, 6, first=1, now=301).late


def test_nothing_is_left_of_a_key_that_is_forgotten_soon_after_its_last_session() -> None:
    machine = Windows(spec(kind="session", gap=10, watermark="key", delay=0, idle_timeout=10, remember=15), 0)
    push(machine, 5)
    for second in range(100):
        machine.tick(second * S)
    assert list(machine.watermarks) == []
    assert machine.snapshot()["assigner"] == (1, [], [])


def test_time_when_the_process_stood_still_is_not_silence() -> None:
    machine = Windows(idle_keys, 0)
    push(machine, 5)
    assert machine.tick(3600 * S, stalled_us=3600 * S).orders == []
    assert list(machine.watermarks) == [5 * S]


def test_the_wall_clock_has_no_effect_on_the_watermark_of_the_stream() -> None:
    machine = Windows(tumbling.model_copy(update={"idle_timeout": spec(gap=60).gap}), 0)
    push(machine, 5)
    assert machine.tick(10**9 * S).orders == []
    assert list(machine.watermarks) == [5 * S]
