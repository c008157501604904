"""The watermarks of a key group: that of the stream, or one for each key."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.window.clocks import KeyClocks, StreamClock
from dataflow.window.messages import Run, Stamp
from dataflow.window.watermark import KeyWatermark
from tests.support.window_items import S, keyed_events
from tests.support.windowing import spec

of_keys = spec(watermark="key", delay=5, idle_timeout=60, remember=300)
DELAY, IDLE = 5 * S, 60 * S


def stamp(*confirmed: int, partition: str = "p0", others: tuple[tuple[int, str], ...] = ()) -> Stamp:
    """A stamp for the watermarks of keys; ``confirmed`` in seconds."""
    return Stamp(Run(partition, 0), np.empty(0, np.int64), np.array(confirmed, np.int64) * S, others)


def observe(
    clocks: KeyClocks, *events: tuple[str, int], now: int = 0
) -> tuple[list[int], dict[str | None, int]]:
    before, moved = clocks.observe(stamp(*(ts for _, ts in events)), keyed_events(*events), now * S)
    return [at // S if at != NEVER else at for at in before.tolist()], {k: at // S for k, at in moved.items()}


def values(clocks: KeyClocks) -> list[int]:
    """The watermarks of the keys, in order."""
    return sorted(value for _, (value, *_) in clocks.snapshot())


def test_the_watermark_of_the_stream_is_what_the_stamps_say() -> None:
    clock = StreamClock()
    events = keyed_events(("a", 1), ("b", 2))
    before, moved = clock.observe(Stamp(Run("p0", 0), np.array([3, 5, 8])), events, 0)
    assert (before.tolist(), dict(moved)) == ([3, 5], {None: 8})
    assert clock.tick(10**15, 0) == {}


def test_each_key_is_moved_by_its_own_events_alone() -> None:
    clocks = KeyClocks(of_keys, 0)
    before, moved = observe(clocks, ("a", 100), ("b", 20), ("a", 90), ("b", 30), ("a", 110))
    assert before == [NEVER, NEVER, 95, 15, 95]
    assert moved == {"a": 105, "b": 25}
    assert observe(clocks, ("b", 40)) == ([25], {"b": 35})


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), min_size=1, max_size=6),
            st.sampled_from(["p0", "p1"]),
            st.integers(0, 40),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_each_key_has_the_watermark_that_it_would_have_alone(
    runs: list[tuple[list[tuple[str, int]], str, int]], rng: random.Random
) -> None:
    clocks, alone, now = KeyClocks(of_keys, 0), dict[str, KeyWatermark](), 0
    for events, partition, seconds in runs:
        now += seconds * S
        others = tuple(sorted((rng.randint(0, 300) * S, name) for name in ("p0", "p1", "p2")))
        # How far an event may move a watermark need not be its own time.
        confirmed = [ts - rng.randint(0, 9) for _, ts in events]
        made = stamp(*confirmed, partition=partition, others=others)
        before, moved = clocks.observe(made, keyed_events(*events), now)
        for key in {key for key, _ in events}:
            mine = [at * S for at, (k, _) in zip(confirmed, events, strict=True) if k == key]
            mark = alone.setdefault(key, KeyWatermark(now))
            mark.arrive(partition, now, IDLE)
            expected = mark.observe(mine, partition, others, DELAY)
            assert [at for at, (k, _) in zip(before.tolist(), events, strict=True) if k == key] == expected
            assert moved[key] == mark.value
        assert moved.keys() == {key for key, _ in events}
        for mark in alone.values():
            mark.stalled(3 * S)
            mark.tick(now + 30 * S, DELAY, IDLE)
        assert clocks.tick(now + 30 * S, 3 * S) == {key: mark.value for key, mark in alone.items()}
    assert values(clocks) == sorted(mark.value for mark in alone.values())


def test_without_a_timeout_the_wall_clock_moves_no_key() -> None:
    clocks = KeyClocks(of_keys.model_copy(update={"idle_timeout": None}), 0)
    observe(clocks, ("a", 100))
    assert clocks.tick(10**15, 0) == {}
    assert values(clocks) == [95 * S]


def test_a_key_is_forgotten_when_it_has_no_rows_and_had_no_events_for_the_time_to_remember_it() -> None:
    clocks = KeyClocks(of_keys, 0)
    observe(clocks, ("a", 1), ("b", 1), ("c", 1))
    observe(clocks, ("b", 2), now=100)
    assert clocks.forget(299 * S, ()) == []
    assert clocks.forget(300 * S, {"c"}) == ["a"]
    assert clocks.forget(399 * S, {"c"}) == []
    assert clocks.forget(400 * S, ()) == ["b", "c"]
    assert clocks.snapshot() == []
    # It begins anew.
    assert observe(clocks, ("a", 1), now=500)[0] == [NEVER]


def test_the_time_to_remember_a_key_begins_again_with_the_process() -> None:
    clocks = KeyClocks(of_keys, 0)
    observe(clocks, ("a", 1))
    again = KeyClocks(of_keys, 1000 * S, clocks.snapshot())
    assert again.snapshot() == clocks.snapshot()
    assert again.forget(1299 * S, ()) == []
    assert again.forget(1300 * S, ()) == ["a"]


@pytest.mark.parametrize(("value", "expected"), [(50, 95), (200, 200)])
def test_the_end_of_the_input_never_moves_a_watermark_back(value: int, expected: int) -> None:
    clocks = KeyClocks(of_keys, 0)
    observe(clocks, ("a", 100), ("b", 10))
    clocks.finish("a", value * S)
    assert values(clocks) == [5 * S, expected * S]
