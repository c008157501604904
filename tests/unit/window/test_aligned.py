"""Tumbling and sliding windows: which windows an event is in, and when a window ends, changes and is gone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import FOREVER, NEVER
from dataflow.items.windows import WindowRef
from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Pane

lengths = st.tuples(st.integers(1, 30), st.integers(1, 30)).map(lambda pair: (max(pair), min(pair)))
times = st.lists(st.integers(-200, 200), min_size=1, max_size=30)


def sliding(
    length: int = 10, slide: int = 5, align: int = 0, lateness: int = 0, held: tuple[int, ...] = ()
) -> Aligned:
    """Windows of a key that holds rows with the event times ``held``."""
    panes = Aligned(length, slide, align, lateness, tuple).count_by_pane(np.array(held)) if held else {}
    return Aligned(length, slide, align, lateness, lambda: panes)


def emitted(windows: Aligned, watermark: int) -> list[WindowRef]:
    return [ref for _, ref in windows.windows_to_emit(watermark)]


def test_an_event_is_in_all_windows_that_contain_its_time() -> None:
    assert sliding(10, 5).missed(12) == [(5, 15), (10, 20)]
    assert sliding(10, 10).missed(12) == [(10, 20)]
    assert sliding(10, 10, align=3).missed(12) == [(3, 13)]


@given(lengths, st.integers(-50, 50), st.integers(-200, 200))
def test_an_events_windows_equal_the_definition(shape: tuple[int, int], align: int, ts: int) -> None:
    length, slide = shape
    starts = [align + k * slide for k in range(-300, 301)]
    expected = [(start, start + length) for start in starts if start <= ts < start + length]
    assert sliding(length, slide, align).missed(ts) == expected


@given(lengths, st.integers(-50, 50), times)
def test_events_of_one_pane_share_their_windows(shape: tuple[int, int], align: int, ts: list[int]) -> None:
    windows = sliding(*shape, align)
    counted = windows.count_by_pane(np.array(ts))
    assert sorted(counted.values()) == sorted(Counter(str(windows.missed(t)) for t in ts).values())
    for pane, n in counted.items():
        start, end = windows.extent(pane)
        assert sum(start <= t < end for t in ts) == n
        assert len(windows.missed(start)) == len(windows.windows_kept(pane))


def test_a_window_is_emitted_once_when_the_watermark_reaches_its_end() -> None:
    windows = sliding(held=(12,))
    assert windows.next_end() == 15
    assert emitted(windows, 14) == []
    assert emitted(windows, 15) == [WindowRef(5, 15, 0)]
    assert emitted(windows, 15) == []
    assert (windows.windows_open(), windows.next_end(), windows.last_end()) == (1, 20, 20)
    assert emitted(windows, 100) == [WindowRef(10, 20, 0)]
    assert (windows.windows_open(), windows.next_end()) == (0, FOREVER)


def test_a_window_without_rows_is_not_emitted() -> None:
    windows = sliding(10, 10, held=(5, 35))
    assert emitted(windows, 100) == [WindowRef(0, 10, 0), WindowRef(30, 40, 0)]
    assert sliding().last_end() == NEVER


def test_an_event_is_late_when_its_last_window_is_gone() -> None:
    ts, watermark = np.array([12, 12, 12]), np.array([15, 19, 20])
    assert sliding().may_be_late(ts, watermark).tolist() == [True, True, True]
    assert sliding().is_late(ts, watermark).tolist() == [False, False, True]
    assert sliding(lateness=1).is_late(ts, watermark).tolist() == [False, False, False]


def test_an_event_for_a_window_that_has_ended_emits_the_window_again_within_the_lateness() -> None:
    windows = sliding(10, 10, lateness=20, held=(5,))
    assert emitted(windows, 10) == [WindowRef(0, 10, 0)]
    assert windows.revising(np.array([6]), np.array([10])).tolist() == [True]
    windows.add(np.array([6]), 10)
    assert windows.awaits_revision()
    assert emitted(windows, 11) == [WindowRef(0, 10, 1)]
    assert not windows.awaits_revision()
    assert windows.next_change() == 10 + 20


def test_a_window_that_is_gone_stays_gone_when_the_lateness_becomes_longer() -> None:
    short = sliding(10, 10)
    short.forget(10)
    longer = Aligned(10, 10, 0, 50, tuple, short.snapshot())
    assert longer.is_late(np.array([5, 15]), np.array([20, 20])).tolist() == [True, False]


def test_rows_are_needed_while_a_window_that_contains_them_is_kept() -> None:
    windows = sliding()
    pane = Pane(1, 2)
    windows.forget(14)
    assert (list(windows.windows_kept(pane)), windows.rows_needed_since) == ([1, 2], 5)
    windows.forget(15)
    assert (list(windows.windows_kept(pane)), windows.rows_needed_since) == ([2], 10)
    windows.forget(20)
    assert (list(windows.windows_kept(pane)), windows.gone_until) == ([], 20)


@pytest.mark.parametrize("watermark", [10, 14, 15, 20, 27])
def test_a_key_that_held_no_rows_goes_on_as_if_it_had_kept_its_state(watermark: int) -> None:
    kept = sliding(lateness=5)
    kept.windows_to_emit(watermark)
    kept.forget(watermark)
    resumed = sliding(lateness=5)
    resumed.resume(watermark, kept.gone_until)
    assert resumed.snapshot() == kept.snapshot()
