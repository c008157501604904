"""Tumbling and sliding windows: which windows an event is in, and when a window ends and is gone."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import FOREVER, NEVER
from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Pane
from tests.support.window_items import keyed_events

shapes = st.builds(
    lambda a, b, align: (max(a, b), min(a, b), align),
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(-50, 50),
)
times = st.lists(st.integers(-200, 200), min_size=1, max_size=30)
marks = st.integers(-250, 250)


def windows_of(shape: tuple[int, int, int], ts: int) -> list[tuple[int, int]]:
    """The windows of an event, from the definition."""
    length, slide, align = shape
    starts = [align + k * slide for k in range(-300, 301)]
    return [(start, start + length) for start in starts if start <= ts < start + length]


def panes(aligned: Aligned, ts: list[int]) -> list[Pane]:
    assigned = aligned.assign(keyed_events(*((None, t) for t in ts)))
    assert not assigned.merged
    return [Pane(*both) for both in zip(assigned.first.tolist(), assigned.last.tolist(), strict=True)]


def test_an_event_is_in_all_windows_that_contain_its_time() -> None:
    assert Aligned(10, 5, 0).missed(12) == [(5, 15), (10, 20)]
    assert Aligned(10, 10, 0).missed(12) == [(10, 20)]
    assert Aligned(10, 10, 3).missed(12) == [(3, 13)]


@given(shapes, times)
def test_the_windows_of_an_event_equal_the_definition(shape: tuple[int, int, int], ts: list[int]) -> None:
    aligned = Aligned(*shape)
    for t, pane in zip(ts, panes(aligned, ts), strict=True):
        expected = windows_of(shape, t)
        assert aligned.missed(t) == expected
        assert [aligned.span(None, window) for window in aligned.kept(None, pane, NEVER)] == expected


@given(shapes, times)
def test_events_share_a_pane_if_and_only_if_they_share_all_windows(
    shape: tuple[int, int, int], ts: list[int]
) -> None:
    aligned = Aligned(*shape)
    of = dict(zip(ts, panes(aligned, ts), strict=True))
    for pane in set(of.values()):
        start, end = aligned.extent(None, pane)
        assert {t for t in of if of[t] == pane} == {t for t in of if start <= t < end}
        assert windows_of(shape, start) == windows_of(shape, end - 1)
        assert windows_of(shape, start - 1) != windows_of(shape, start) != windows_of(shape, end)


@given(shapes, times, marks, st.integers(0, 100))
def test_a_window_ends_when_the_watermark_reaches_its_end(
    shape: tuple[int, int, int], ts: list[int], fired: int, forward: int
) -> None:
    aligned, watermark = Aligned(*shape), fired + forward
    expected = {w for t in ts for w in windows_of(shape, t) if fired < w[1] <= watermark}
    found = aligned.ended(None, panes(aligned, ts), fired, watermark)
    assert {aligned.span(None, window) for window in found} == expected


@given(shapes, times, marks)
def test_an_event_is_late_when_all_its_windows_are_gone(
    shape: tuple[int, int, int], ts: list[int], gone: int
) -> None:
    aligned = Aligned(*shape)
    expected = [all(end <= gone for _, end in windows_of(shape, t)) for t in ts]
    assert aligned.late(np.array(ts), np.full(len(ts), gone)).tolist() == expected
    assert [aligned.is_late(None, t, gone) for t in ts] == expected
    assert [not aligned.kept(None, pane, gone) for pane in panes(aligned, ts)] == expected


@given(shapes, times, marks)
def test_an_event_is_behind_when_one_of_its_windows_has_ended(
    shape: tuple[int, int, int], ts: list[int], watermark: int
) -> None:
    behind = Aligned(*shape).behind(np.array(ts), np.full(len(ts), watermark))
    assert behind.tolist() == [any(end <= watermark for _, end in windows_of(shape, t)) for t in ts]


@given(shapes, times, marks)
def test_the_windows_that_are_kept_are_those_that_are_not_gone(
    shape: tuple[int, int, int], ts: list[int], gone: int
) -> None:
    aligned = Aligned(*shape)
    for t, pane in zip(ts, panes(aligned, ts), strict=True):
        kept = [aligned.span(None, window) for window in aligned.kept(None, pane, gone)]
        assert kept == [(start, end) for start, end in windows_of(shape, t) if end > gone]


@given(shapes, marks, st.integers(0, 60), st.integers(0, 60))
def test_no_key_is_due_unless_a_window_ends_or_is_gone(
    shape: tuple[int, int, int], fired: int, forward: int, lateness: int
) -> None:
    length, slide, align = shape
    ends = [align + k * slide + length for k in range(-500, 501)]
    moves = any(fired < end <= fired + forward or fired < end + lateness <= fired + forward for end in ends)
    due = Aligned(*shape).due(fired, fired + forward, lateness)
    assert due == (None if moves else ())


def test_all_windows_end_when_the_input_has_ended() -> None:
    aligned = Aligned(10, 5, 0)
    assert aligned.ended(None, [Pane(1, 2), Pane(2, 3)], NEVER, FOREVER) == {1, 2, 3}
    assert aligned.due(NEVER, FOREVER, 0) is None


def test_there_is_nothing_to_remember() -> None:
    aligned = Aligned(10, 5, 0)
    before = pickle.dumps(aligned)
    aligned.forget("k", 100, 100)
    assert pickle.dumps(aligned) == before
