"""Stamps and marks: what each key group learns of the watermark of the stream, and when."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.settings import Window
from dataflow.window.kinds import last_end
from dataflow.window.messages import Run, Stamp, Times
from dataflow.window.progress import ForGroup, Progress
from tests.support.references import aligned, spans, streams, watermarks
from tests.support.window_items import S
from tests.support.windowing import Arrival, spec

GROUPS = 3
tumbling = spec(kind="tumbling", length=60, delay=10)
guarded = spec(kind="tumbling", length=60, delay=10, max_jump=10)
idle = spec(kind="tumbling", length=60, delay=10, idle_timeout=60)
of_keys = spec(kind="tumbling", length=60, delay=10, watermark="key")


def times(*seconds: int, partition: str = "a", groups: Iterable[int] = (), offset: int = 0) -> Times:
    """A run; all its rows are of group 0 unless ``groups`` says otherwise."""
    of = list(groups) or [0] * len(seconds)
    return Times(Run(partition, offset), np.array(seconds, np.int64) * S, np.array(of, np.int64))


def push(mark: Progress, *seconds: int, partition: str = "a", now: int = 0) -> int:
    """The watermark after a run, in seconds."""
    mark.stamp(times(*seconds, partition=partition), now * S)
    return mark.watermark if mark.watermark == NEVER else mark.watermark // S


def in_seconds(stamp: Stamp) -> list[int]:
    return [at if at == NEVER else at // S for at in stamp.watermark.tolist()]


def marks(stamps: list[ForGroup]) -> dict[int, int]:
    """The groups that got a stamp without rows, and the watermark in it, in seconds."""
    found = {group: in_seconds(stamp) for group, stamp in stamps if stamp.run is None}
    return {group: watermark for group, (watermark,) in found.items()}


def test_each_group_gets_the_watermark_right_before_each_of_its_rows_and_after_the_run() -> None:
    mark = Progress(tumbling, (), 0)
    stamps = dict(mark.stamp(times(100, 90, 130, 125, groups=[2, 0, 2, 0]), 0))
    assert [in_seconds(stamps[group]) for group in (0, 2)] == [[90, 120, 120], [NEVER, 90, 120]]
    assert stamps[0].run == stamps[2].run == Run("a", 0)
    assert stamps[1].run is None
    assert stamps[0].confirmed is None
    assert stamps[0].partitions == ()


runs = st.lists(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, GROUPS - 1)), min_size=1, max_size=5), max_size=8
)


@given(aligned, streams, st.sets(st.sampled_from(["p0", "p1", "p2"])))
def test_the_watermark_equals_its_definition(window: Window, arrivals: list[Arrival], held: set[str]) -> None:
    """The slowest of all partitions that have records to give, less the delay; it never moves back."""
    stream = window.model_copy(update={"watermark": "stream"})
    mark, found = Progress(stream, held, 0), list[float]()
    for arrival in arrivals:
        ((_, stamp), *_) = mark.stamp(times(arrival.ts, partition=arrival.partition), 0)
        found += [at / S if at > NEVER // 2 else float("-inf") for at in stamp.watermark[:1].tolist()]
    assert found == watermarks(stream, arrivals, held)


@given(aligned, runs, st.booleans())
def test_a_group_without_rows_gets_a_mark_if_a_window_may_have_ended_and_few_others(
    window: Window, given: list[list[tuple[int, int]]], restart: bool
) -> None:
    stream = window.model_copy(update={"watermark": "stream"})
    mark, known, total = Progress(stream, (), 0), dict.fromkeys(range(GROUPS), NEVER), 0
    for run in given:
        before = mark.watermark
        seconds, groups = [second for second, _ in run], [group for _, group in run]
        stamps = mark.stamp(times(*seconds, groups=groups), 0)
        found = marks(stamps)
        assert found.keys() in ({*range(GROUPS)} - {*groups}, set())
        known |= {group: int(stamp.watermark[-1]) for group, stamp in stamps}
        # A window that a group knows as open has not ended. The ends that the watermark passed meanwhile:
        ends = {end for ts in range(-60, 200) for _, end in spans(stream, ts)}
        for group in range(GROUPS):
            assert not any(known[group] < end * S <= mark.watermark for end in ends)
        total += bool(found)
        assert not found or mark.watermark > before
        if restart:
            mark = Progress(stream, (), 0, mark.snapshot())
    # At most ten marks, and one for its end, in the time from one window to the next.
    slide = stream.length if stream.kind == "tumbling" else stream.slide
    assert total <= 1 + 11 * (1 + 90 / slide.total_seconds())


def test_the_mark_comes_exactly_at_the_end_of_a_window() -> None:
    window = spec(kind="sliding", length=100, slide=70, delay=0)
    mark = Progress(window, (), 0)
    # Window ends are at 30, 100 and 170; tenths of the slide are at 0, 7, 14 and so on.
    found = {second: marks(mark.stamp(times(second), 0)) for second in range(90, 107)}
    assert {second for second, at in found.items() if at} == {90, 91, 98, 100, 105}
    assert found[100] == {1: 100, 2: 100}


def test_with_a_watermark_for_each_key_there_are_no_marks_but_the_times_of_all_partitions() -> None:
    mark = Progress(of_keys, ["b"], 0)
    ((group, stamp),) = mark.stamp(times(100, 1000, 900, groups=[2, 2, 2]), 0)
    assert (group, stamp.partitions) == (2, ((NEVER, "b"), (1000 * S, "a")))
    assert stamp.confirmed is not None
    assert stamp.confirmed.tolist() == [100 * S, 1000 * S, 900 * S]
    ((_, stamp),) = mark.stamp(times(50, partition="c"), 0)
    assert [name for _, name in stamp.partitions] == ["b", "c", "a"]
    assert mark.tick(10**15) == mark.finish(2000 * S) == []


def test_an_event_moves_the_watermark_of_a_key_no_further_than_it_is_confirmed() -> None:
    mark = Progress(of_keys.model_copy(update={"max_jump": timedelta(seconds=10)}), (), 0)
    ((_, stamp),) = mark.stamp(times(100, 5000, 104, 90), 0)
    assert stamp.confirmed is not None
    assert (stamp.confirmed // S).tolist() == [100, 100, 104, 90]


def test_events_far_ahead_are_counted() -> None:
    mark = Progress(guarded, (), 0)
    assert push(mark, 100, 5000, 104, 5001) == 94
    assert mark.jumps == 2
    unset = Progress(guarded.model_copy(update={"max_jump": None}), (), 0)
    assert push(unset, 100, 110, 121) == 100
    assert unset.jumps == 1


def test_a_partition_that_has_records_holds_the_watermark_until_it_gives_them() -> None:
    mark = Progress(tumbling, ["a", "b"], 0)
    assert [push(mark, 100), push(mark, 50, partition="b"), push(mark, 70, partition="c")] == [NEVER, 40, 40]
    assert push(mark, 90, partition="b") == 60
    assert mark.newest == 100 * S


def test_a_silent_partition_is_left_out_and_counts_again_after_its_next_event() -> None:
    mark = Progress(idle, ["a", "b"], 0)
    for second in range(60):
        assert push(mark, 100 + second, now=second) == NEVER
    assert push(mark, 160, now=60) == 150
    assert push(mark, 155, partition="b", now=61) == 150
    assert push(mark, 500, now=62) == 150
    assert push(mark, 180, partition="b", now=62) == 170


def test_time_when_the_process_stood_still_is_not_silence_and_downtime_is_not_either() -> None:
    mark = Progress(idle, ["a", "b"], 0)
    assert push(mark, 100, now=3600) == NEVER
    for second in range(3601, 3656):
        mark.tick(second * S)
    # Two of the 3,600 seconds count as silence.
    assert push(mark, 101, now=3656) == NEVER
    back = Progress(idle, ["a", "b"], 10**6 * S, mark.snapshot())
    for second in range(59):
        back.tick((10**6 + second) * S)
    assert push(back, 102, now=10**6 + 59) == NEVER
    assert push(back, 103, now=10**6 + 60) == 93


def test_the_clock_may_be_set_back() -> None:
    mark = Progress(idle, ["a", "b"], 1000 * S)
    for second in (*range(1000, 1030), *range(500, 529)):
        assert push(mark, 100, now=second) == NEVER
    assert [push(mark, 100, now=530), push(mark, 100, now=531)] == [NEVER, 90]


@pytest.mark.parametrize("start", [0, 30 * 31_557_600], ids=["now", "30 years ago"])
def test_when_all_partitions_are_silent_the_watermark_moves_on_with_the_wall_clock(start: int) -> None:
    """However far event time lags behind the clock."""
    mark = Progress(idle, (), start * S)
    push(mark, 100, now=start)
    for second in range(1, 6):
        push(mark, 300, partition="b", now=start + second)
    found: dict[int, int] = {}
    for second in range(6, 96):
        for at in marks(mark.tick((start + second) * S)).values():
            found[second] = at
        assert mark.watermark == (90 if second < 60 else 290 + max(second - 65, 0)) * S
    # Marks come at each tenth of a window: all groups learn that windows have ended.
    assert found == {60: 290, 69: 294, 75: 300, 81: 306, 87: 312, 93: 318}


def test_the_wall_clock_has_no_effect_without_a_timeout_or_before_the_first_partition() -> None:
    mark = Progress(tumbling, ["a"], 0)
    push(mark, 100)
    assert (mark.tick(10**15), mark.watermark) == ([], 90 * S)
    assert Progress(idle, (), 0).tick(10**15) == []


def test_silence_before_the_first_event_moves_nothing() -> None:
    mark = Progress(idle, ["a"], 0)
    for second in range(100):
        assert mark.tick(second * S) == []
        assert mark.watermark == NEVER


@pytest.mark.parametrize(("newest", "expected"), [(100, 120), (119, 120), (120, 180)])
def test_at_the_end_of_the_input_each_group_learns_of_the_end_of_the_last_window(
    newest: int, expected: int
) -> None:
    mark = Progress(tumbling, (), 0)
    push(mark, newest)
    stamps = mark.finish(last_end(tumbling, mark.newest))
    assert marks(stamps) == dict.fromkeys(range(GROUPS), expected)
    # The watermark moves even if it is there already: revisions are emitted only when it moves.
    (again, *_) = mark.finish(expected * S)
    assert again[1].watermark.tolist() == [expected * S + 1]


def test_a_state_goes_on_and_one_of_another_format_is_refused() -> None:
    mark = Progress(guarded, ["b"], 0)
    mark.stamp(times(100, 5000), 0)
    mark.stamp(times(90, partition="b"), 0)
    again = Progress(guarded, ["c"], 0, mark.snapshot())
    assert again.watermark == mark.watermark == 80 * S
    assert push(again, 5001, 5002, 5003, partition="a") == 80
    assert [name for name, _ in again.snapshot()["partitions"]] == ["b", "a", "c"]
    with pytest.raises(ValueError, match="progress state has format 1, this version reads 2"):
        Progress(guarded, (), 0, mark.snapshot() | {"format": 1})
