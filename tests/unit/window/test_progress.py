"""How far partitions have come, jumps of event time that are not confirmed, and the split by key."""

import itertools
import random
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.window.progress import CONFIRMATIONS, MOST_CONFIRMATIONS, Progress, Stamped, by_key
from tests.support.windowing import Arrival, Harness, batch, pieces, progress, spec

S = 1_000_000
guarded = spec(kind="tumbling", length=60, delay=10, max_jump=10)


def reached(mark: Progress, *arrivals: Arrival, now: int = 0) -> dict[str, int]:
    """The event time that each partition has come to after these events, in seconds."""
    *_, last = mark.stamp(batch(arrivals), now * S)
    return {name: ts if ts == NEVER else ts // S for ts, name in last.progress}


def confirmed(times: list[int], jump: int) -> list[int]:
    """The newest event time after each event of one partition, from the definition."""
    newest, pending, net, needed = times[0] if times else 0, [], 0, CONFIRMATIONS
    after = []
    for ts in times:
        if ts > newest + jump:
            pending.append(ts)
            net += 1
            if net == needed:
                newest, pending, net, needed = min(pending), [], 0, CONFIRMATIONS
        else:
            newest = max(newest, ts)
            if net == 1:
                pending, needed = [], min(2 * needed, MOST_CONFIRMATIONS)
            net = max(net - 1, 0)
        after.append(newest)
    return after


def test_a_stamp_has_all_partitions_and_the_slowest_is_first() -> None:
    mark = progress(guarded, ["a", "b"])
    assert reached(mark, Arrival(100, "a")) == {"b": NEVER, "a": 100}
    assert reached(mark, Arrival(50, "c"), Arrival(40, "b"), Arrival(30, "b")) == {"b": 40, "c": 50, "a": 100}
    (stamped,) = mark.stamp(batch([Arrival(101, "a")]), 0)
    assert [name for _, name in stamped.progress] == ["b", "c", "a"]


def test_a_batch_of_several_partitions_is_cut_into_runs_of_one() -> None:
    mark = progress(guarded)
    stamped = mark.stamp(batch([Arrival(1, "a"), Arrival(2, "a"), Arrival(1, "b"), Arrival(3, "a")]), 0)
    assert [part.rows.column("partition").to_pylist() for part in stamped] == [["a", "a"], ["b"], ["a"]]
    assert [part.progress for part in stamped] == [
        ((2 * S, "a"),),
        ((1 * S, "b"), (2 * S, "a")),
        ((1 * S, "b"), (3 * S, "a")),
    ]


def test_a_silent_partition_is_left_out_but_time_when_the_process_stood_still_is_not_silence() -> None:
    idle = guarded.model_copy(update={"idle_timeout": timedelta(seconds=60)})
    mark = progress(idle, ["a", "b"])
    reached(mark, Arrival(100, "a"))
    assert reached(mark, Arrival(101, "a"), now=3600) == {"b": NEVER, "a": 101}
    for second in range(3601, 3661):
        mark.tick(second * S)
    assert reached(mark, Arrival(102, "a"), now=3661) == {"a": 102}
    assert reached(mark, Arrival(5, "b"), now=3662) == {"b": 5, "a": 102}
    back = progress(idle, ["a", "b", "c"], now=10**6 * S, state=mark.snapshot())
    assert reached(back, Arrival(103, "a"), now=10**6) == {"c": NEVER, "b": 5, "a": 103}


def test_a_state_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 0"):
        progress(guarded, state=progress(guarded).snapshot() | {"format": 0})


ahead = st.tuples(st.integers(0, 4), st.sampled_from([0] * 6 + [15, 40, 3000]))
timelines = st.lists(ahead, max_size=80).map(
    lambda steps: [
        base + jump
        for base, (_, jump) in zip(itertools.accumulate(step for step, _ in steps), steps, strict=True)
    ]
)


@given(timelines, st.lists(st.integers(0, 80), max_size=8), st.sets(st.integers(0, 8)))
@example([0, 3600, 1, 3600, 2, 3600, 3, 3600, 4], [2, 4], {1})
@example([0, 100, 101, 102, 3600, 103], [], set())
def test_what_is_confirmed_depends_on_the_events_alone(
    times: list[int], cuts: list[int], crashes: set[int]
) -> None:
    mark = progress(guarded)
    moves: list[int] = []
    for number, (start, stop) in enumerate(pieces(len(times), cuts)):
        if number in crashes:
            mark = progress(guarded, state=mark.snapshot())
        for stamped in mark.stamp(batch([Arrival(ts) for ts in times[start:stop]]), 0):
            own = [ts * S for ts in times[start:stop]]
            moves += own if stamped.confirmed is None else stamped.confirmed.tolist()
    newest = confirmed(times, 10)
    assert moves == [min(ts, now) * S for ts, now in zip(times, newest, strict=True)]


def late_of(times: list[int], batch_rows: int, max_jump: int = 300) -> int:
    harness = Harness(spec(kind="sliding", length=600, slide=300, delay=300, max_jump=max_jump))
    for start, stop in pieces(len(times), range(0, len(times), batch_rows)):
        harness.push([Arrival(ts) for ts in times[start:stop]], start)
    harness.finish()
    return len(harness.emitted().late)


@pytest.mark.parametrize("batch_rows", [1, 100, 5000])
def test_one_record_with_a_bad_clock_makes_nothing_late(batch_rows: int) -> None:
    times = [*range(60), 19 * 60, *range(60, 1200)]
    assert late_of(times, batch_rows) == 0
    assert late_of(times, batch_rows, max_jump=0) > 200


@pytest.mark.parametrize("batch_rows", [1, 100, 5000])
def test_one_of_five_devices_with_a_bad_clock_makes_nothing_late(batch_rows: int) -> None:
    times = [second + (14 * 60 if device == 4 else 0) for second in range(900) for device in range(5)]
    assert late_of(times, batch_rows) == 0


def test_a_device_with_a_bad_clock_is_never_confirmed_whatever_the_order_of_its_records() -> None:
    mark, rng = progress(guarded), random.Random(1)
    for second in range(5000):
        bad = rng.random() < 0.1
        now = reached(mark, Arrival(second + 3600 * bad))["p0"]
        assert now <= second


def test_a_night_without_events_is_confirmed_after_a_few_events() -> None:
    mark = progress(guarded)
    reached(mark, Arrival(0))
    newest = [reached(mark, Arrival(ts))["p0"] for ts in (30_000, 30_002, 30_001, 30_003)]
    assert newest == [0, 0, 30_000, 30_003]


@given(st.lists(st.sampled_from(["", "a", "b\x1f1", "ü"]), min_size=1, max_size=50))
def test_a_split_by_key_keeps_the_order_of_the_rows_of_each_key(keys: list[str]) -> None:
    rows = batch([Arrival(i, key=key) for i, key in enumerate(keys)])
    split = by_key(Stamped(rows, ((5, "p0"),), np.arange(len(keys)), arrival_us=7))
    assert [key for key, _ in split] == list(dict.fromkeys(keys))
    for key, mine in split:
        expected = [i for i, k in enumerate(keys) if k == key]
        assert mine.rows == rows.take(pa.array(expected))
        assert mine.confirmed is not None
        assert mine.confirmed.tolist() == expected
        assert (mine.progress, mine.arrival_us) == (((5, "p0"),), 7)
