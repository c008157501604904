"""How far a partition has come: an event far ahead is believed only when later events confirm it."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.window.partitions import CONFIRMATIONS, MOST_CONFIRMATIONS, PartitionTime
from tests.support.windowing import Arrival, Stage, pieces, spec

JUMP = 10


def newest(partition: PartitionTime, *times: int, jump: int = JUMP) -> list[int]:
    after: list[int] = partition.observe(np.array(times, np.int64), jump).tolist()
    return after


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


ahead = st.tuples(st.integers(0, 4), st.sampled_from([0] * 4 + [6, 9, 15, 40, 3000]))
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
    partition, found = PartitionTime(), list[int]()
    for number, (start, stop) in enumerate(pieces(len(times), cuts)):
        if number in crashes:
            partition = PartitionTime(*partition.snapshot())
        if start < stop:
            found += newest(partition, *times[start:stop])
    assert found == confirmed(times, JUMP)
    assert partition.newest == (found[-1] if found else NEVER)


@given(timelines)
def test_without_a_guard_each_event_is_believed_at_once(times: list[int]) -> None:
    partition = PartitionTime()
    if times:
        assert newest(partition, *times, jump=0) == list(itertools.accumulate(times, max))


def test_the_first_event_is_believed() -> None:
    assert newest(PartitionTime(), 10**9, 10**9 + JUMP) == [10**9, 10**9 + JUMP]


def test_a_night_without_events_is_confirmed_after_a_few_events() -> None:
    """The partition goes on from the lowest time beyond the jump."""
    partition = PartitionTime()
    assert newest(partition, 0, 30_000, 30_002, 30_001, 30_003) == [0, 0, 0, 30_000, 30_003]


def test_each_refuted_jump_makes_the_next_one_harder_to_confirm_up_to_a_bound() -> None:
    partition = PartitionTime(newest=0)
    needed = []
    for _ in range(8):
        newest(partition, 100, 1)
        needed.append(partition.snapshot()[-1])
    assert needed == [6, 12, 24, 48, 96, 96, 96, 96]
    assert newest(partition, *[100] * 96)[-2:] == [1, 100]
    assert partition.snapshot()[-1] == CONFIRMATIONS


def test_a_device_with_a_bad_clock_is_never_confirmed_whatever_the_order_of_its_records() -> None:
    partition, rng = PartitionTime(), random.Random(1)
    for second in range(5000):
        assert newest(partition, second + 3600 * (rng.random() < 0.1))[0] <= second


def late_of(times: list[int], batch_rows: int, max_jump: int = 300) -> int:
    """How many events are late."""
    stage = Stage(spec(kind="sliding", length=600, slide=300, delay=300, max_jump=max_jump))
    for start, stop in pieces(len(times), range(0, len(times), batch_rows)):
        stage.push([Arrival(ts) for ts in times[start:stop]], start)
    return len(stage.finish().late)


@pytest.mark.parametrize("batch_rows", [10, 100, 5000])
def test_one_record_with_a_bad_clock_makes_nothing_late(batch_rows: int) -> None:
    times = [*range(60), 19 * 60, *range(60, 1200)]
    assert late_of(times, batch_rows) == 0
    assert late_of(times, batch_rows, max_jump=0) > 200


@pytest.mark.parametrize("batch_rows", [100, 5000])
def test_one_of_five_devices_with_a_bad_clock_makes_nothing_late(batch_rows: int) -> None:
    times = [second + (14 * 60 if device == 4 else 0) for second in range(900) for device in range(5)]
    assert late_of(times, batch_rows) == 0
