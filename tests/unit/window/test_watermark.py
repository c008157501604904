"""The watermark comes from the events, and from the wall clock only if ``idle_timeout`` is set."""

import numpy as np
import pytest

from dataflow.clock import NEVER
from dataflow.window.watermark import Watermark
from tests.support.windowing import Arrival, Harness, spec

S = 1_000_000


def observe(
    mark: Watermark, partition: str, *seconds: int, now: int = 0, others: dict[str, int] | None = None
) -> list[int]:
    stamp = sorted((at if at == NEVER else at * S, name) for name, at in (others or {}).items())
    mark.arrive(partition, stamp, now * S)
    after = mark.observe(np.array(seconds, np.int64) * S, partition)
    return [value // S for value in after.tolist()]


def test_it_is_the_newest_event_time_of_the_slowest_partition_minus_the_delay() -> None:
    mark = Watermark(5 * S, None, 0)
    assert observe(mark, "a", 100, 90, 110) == [95, 95, 105]
    assert observe(mark, "b", 50, 107, 120) == [105, 105, 105]
    assert observe(mark, "a", 130) == [115]


def test_without_idle_timeout_the_wall_clock_has_no_effect() -> None:
    mark = Watermark(0, None, 0)
    observe(mark, "a", 100)
    mark.tick(10**18)
    assert mark.value == 100 * S
    assert mark.next_tick(101 * S, 0) is None


def test_an_idle_partition_is_left_out_and_counts_again_after_its_next_event() -> None:
    mark = Watermark(0, 60 * S, 0)
    observe(mark, "a", 100)
    observe(mark, "b", 10, now=30)
    observe(mark, "a", 200, now=80)
    mark.tick(89 * S)
    assert mark.value == 100 * S
    mark.tick(90 * S)
    assert mark.value == 200 * S
    observe(mark, "b", 150, now=91)
    observe(mark, "a", 300, now=92)
    assert mark.value == 200 * S


def test_when_all_are_idle_it_moves_on_with_the_wall_clock() -> None:
    mark = Watermark(5 * S, 60 * S, 0)
    observe(mark, "a", 100, now=10)
    assert mark.next_tick(125 * S, 10 * S) == 70 * S
    mark.tick(70 * S)
    assert mark.value == 95 * S
    at = mark.next_tick(125 * S, 70 * S)
    assert at == 100 * S
    mark.tick(at - 1)
    assert mark.value < 125 * S
    mark.tick(at)
    assert mark.value == 125 * S


def test_downtime_is_not_silence() -> None:
    mark = Watermark(0, 60 * S, 0)
    observe(mark, "b", 10)
    observe(mark, "a", 100)
    back = Watermark(0, 60 * S, 3600 * S, mark.snapshot())
    back.tick(3601 * S)
    assert back.value == 10 * S
    stood_still = Watermark(0, 60 * S, 0, mark.snapshot())
    stood_still.stalled(3600 * S)
    stood_still.tick(3601 * S)
    assert stood_still.value == 10 * S


def test_partitions_without_events_of_the_key_count_with_the_events_of_all_keys() -> None:
    mark = Watermark(0, None, 0)
    observe(mark, "a", 100, 500, others={"a": 500, "b": NEVER})
    assert mark.value == NEVER
    observe(mark, "a", 600, others={"a": 600, "b": 20, "c": 30})
    assert mark.value == 20 * S
    # In a partition that has events of the key, only the events of the key count.
    observe(mark, "b", 25, others={"a": 600, "b": 300, "c": 30})
    assert mark.value == 25 * S
    observe(mark, "a", 700, others={"a": 700, "b": 300, "c": 300})
    assert mark.value == 25 * S


def test_a_partition_that_is_silent_for_the_key_counts_with_the_events_of_all_keys() -> None:
    mark = Watermark(0, 60 * S, 0)
    observe(mark, "b", 10, others={"a": 5, "b": 10})
    observe(mark, "a", 100, now=50, others={"a": 100, "b": 30})
    assert mark.value == 10 * S
    observe(mark, "a", 200, now=61, others={"a": 200, "b": 40})
    assert mark.value == 40 * S


@pytest.mark.parametrize("lag_years", [0, 30])
def test_an_idle_stream_closes_its_windows_in_a_few_ticks(lag_years: int) -> None:
    """However far event time lags behind the clock, nothing wakes without something to do."""
    harness = Harness(spec(kind="sliding", length=600, slide=300, delay=300, idle_timeout=60))
    clock = (1_700_000_000 + lag_years * 31_557_600) * S
    harness.tick(clock)
    harness.push([Arrival(1_700_000_000, "a"), Arrival(1_700_000_100, "b")], 0)
    wakes = 0
    while (at := harness.machine.wake_at(harness.now)) is not None:
        assert at > harness.now, "it would wake again at once"
        harness.tick(at)
        wakes += 1
    # The last of the three windows ends 600 s after the newest event, and the watermark starts 300 s before
    # it.
    assert len(harness.windows) == 3
    assert harness.now - clock == (60 + 300 + 600) * S
    assert wakes <= 4
