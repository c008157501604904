"""The watermark of one key: from the events, and from the wall clock only if ``idle_timeout`` is set."""

import random

from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import FOREVER, NEVER
from dataflow.window.watermark import KeyWatermark
from tests.support.window_items import S

IDLE = 60 * S


def observe(
    mark: KeyWatermark,
    partition: str,
    *seconds: int,
    now: int = 0,
    others: dict[str, int] | None = None,
    delay: int = 0,
    idle: bool = True,
) -> list[int]:
    """Events of a partition; the watermark before each, and after the last. ``others``: all partitions."""
    partitions = sorted((at if at == NEVER else at * S, name) for name, at in (others or {}).items())
    if idle:
        mark.arrive(partition, now * S, IDLE)
    before = mark.observe([at * S for at in seconds], partition, partitions, delay * S)
    return [value if value in (NEVER, FOREVER) else value // S for value in [*before, mark.value]]


def test_it_is_the_newest_event_time_of_the_slowest_partition_minus_the_delay() -> None:
    mark = KeyWatermark(0)
    assert observe(mark, "a", 100, 90, 110, delay=5) == [NEVER, 95, 95, 105]
    assert observe(mark, "b", 50, 107, 120, delay=5) == [105, 105, 105, 105]
    assert observe(mark, "a", 130, delay=5) == [105, 115]
    assert mark.highest == 130 * S


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 100), min_size=1, max_size=4)), max_size=12
    ),
    st.integers(0, 20),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 100)),
)
def test_it_equals_the_definition(
    runs: list[tuple[str, list[int]]], delay: int, others: dict[str, int]
) -> None:
    """The partitions without events of the key count with the events of all keys."""
    mark, own, expected = KeyWatermark(0), dict[str, int](), float("-inf")
    for partition, times in runs:
        found = observe(mark, partition, *times, delay=delay, others=others, idle=False)
        for ts, before in zip(times, found, strict=False):
            assert before == (NEVER if expected == float("-inf") else expected)
            own[partition] = max(own.get(partition, ts), ts)
            expected = max(expected, min({**others, **own}.values()) - delay)
    assert mark.value == (NEVER if not runs else expected * S)


def test_an_idle_partition_is_left_out_and_counts_again_after_its_next_event() -> None:
    mark = KeyWatermark(0)
    observe(mark, "a", 100)
    observe(mark, "b", 10, now=30)
    observe(mark, "a", 200, now=80)
    mark.tick(89 * S, 0, IDLE)
    assert mark.value == 100 * S
    mark.tick(90 * S, 0, IDLE)
    assert mark.value == 200 * S
    observe(mark, "b", 150, now=91)
    observe(mark, "a", 300, now=92)
    assert mark.value == 200 * S


def test_when_all_are_idle_it_moves_on_with_the_wall_clock() -> None:
    mark = KeyWatermark(0)
    observe(mark, "a", 100, now=10, delay=5)
    for now, value in ((69, 95), (70, 95), (71, 96), (100, 125)):
        mark.tick(now * S, 5 * S, IDLE)
        assert mark.value == value * S


def test_downtime_is_not_silence() -> None:
    mark = KeyWatermark(0)
    observe(mark, "b", 10)
    observe(mark, "a", 100)
    back = KeyWatermark(3600 * S, mark.snapshot())
    back.tick(3601 * S, 0, IDLE)
    assert back.value == 10 * S
    stood_still = KeyWatermark(0, mark.snapshot())
    stood_still.stalled(3600 * S)
    stood_still.tick(3601 * S, 0, IDLE)
    assert stood_still.value == 10 * S


def test_partitions_without_events_of_the_key_count_with_the_events_of_all_keys() -> None:
    mark = KeyWatermark(0)
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
    mark = KeyWatermark(0)
    observe(mark, "b", 10, others={"a": 5, "b": 10})
    observe(mark, "a", 100, now=50, others={"a": 100, "b": 30})
    assert mark.value == 10 * S
    observe(mark, "a", 200, now=61, others={"a": 200, "b": 40})
    assert mark.value == 40 * S


def test_while_the_key_is_silent_the_others_hold_it_where_they_were_at_its_last_events() -> None:
    mark = KeyWatermark(0)
    observe(mark, "a", 100, others={"a": 100, "b": 40})
    observe(mark, "c", 90, now=30, others={"a": 100, "b": 50, "c": 90})
    mark.tick(60 * S, 0, IDLE)
    assert mark.value == 50 * S


@given(st.randoms(use_true_random=False))
def test_it_never_moves_back_and_goes_on_from_its_snapshot(rng: random.Random) -> None:
    one, other, last = KeyWatermark(0), KeyWatermark(0), NEVER
    for now in range(0, 600, 20):
        partition, ts = rng.choice("ab"), rng.randint(0, 300)
        for mark in (one, other):
            if now % 60:
                observe(mark, partition, ts, now=now, others={"a": ts // 2, "z": ts})
            else:
                mark.tick(now * S, 0, IDLE)
        assert one.value == other.value >= last
        last = one.value
        again = KeyWatermark(now * S, other.snapshot())
        assert again.snapshot() == other.snapshot()
