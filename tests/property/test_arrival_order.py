"""The windows do not depend on the batches, and the order of arrival matters only beyond the delay."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import Window
from tests.support.references import EPOCHS, aligned, cuts, modes, sessions, spans, streams
from tests.support.windowing import Arrival, Emitted, Stage, pieces, run, spec


@given(aligned | sessions, streams, cuts)
def test_batch_boundaries_do_not_matter(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    assert run(window, arrivals, at) == run(window, arrivals)


@given(aligned | sessions, streams, cuts, st.integers(1, 9))
def test_the_number_of_key_groups_does_not_matter(
    window: Window, arrivals: list[Arrival], at: list[int], groups: int
) -> None:
    other = window.model_copy(update={"key_groups": groups})
    assert run(other, arrivals, at) == run(window, arrivals)


@given(aligned | sessions, streams)
def test_revisions_count_up_and_are_ordered(window: Window, arrivals: list[Arrival]) -> None:
    for key, windows in run(window, arrivals).windows.items():
        seen: dict[tuple[int, int], int] = defaultdict(int)
        for ref, rows in windows:
            if window.kind != "session":
                assert ref.revision == seen[ref.start, ref.end]
                seen[ref.start, ref.end] += 1
            assert rows, "an empty window was emitted"
            assert {arrivals[i].key for i in rows} == {key}
            assert list(rows) == sorted(rows, key=lambda i: (arrivals[i].ts, i))


@given(
    aligned | sessions, st.lists(st.integers(0, 300), max_size=60), st.randoms(use_true_random=False), EPOCHS
)
def test_order_of_arrival_within_the_delay_does_not_matter(
    window: Window, times: list[int], rng: random.Random, base: int
) -> None:
    delay = window.delay.total_seconds()
    in_order = sorted(times)
    # Events that are younger by up to `delay` may overtake an event: an event at the watermark is on time.
    jittered = sorted(in_order, key=lambda ts: ts + rng.uniform(0, delay))
    plain, shuffled = (run(window, [Arrival(base + ts) for ts in s]) for s in (in_order, jittered))
    assert not plain.late
    assert not shuffled.late
    as_times = [
        {w: sorted(s[i] for i in rows) for w, rows in e.final().items()}
        for s, e in ((in_order, plain), (jittered, shuffled))
    ]
    assert as_times[0] == as_times[1]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("mode", ["stream", "key"])
def test_one_partition_far_ahead_makes_nothing_late(partitions: int, mode: str) -> None:
    stage = Stage(spec(kind="sliding", length=600, slide=300, delay=300, watermark=mode))
    # All partitions had data before the downtime. Afterwards one partition is read hours ahead of the others.
    seen = [Arrival(i, f"p{i % partitions}") for i in range(partitions)]
    ahead = [Arrival(60 * i, f"p{p}") for p in range(partitions) for i in range(1, 300)]
    stage.push(seen, 0)
    stage.crash()
    stage.push(ahead, len(seen))
    assert not stage.finish().late


@given(
    aligned | sessions,
    st.lists(
        st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["a", "b", "all", "c"])), max_size=25),
        min_size=1,
        max_size=4,
    ),
    cuts,
    st.sets(st.integers(0, 8)),
    st.randoms(use_true_random=False),
)
def test_within_the_delay_nothing_is_late_however_partitions_keys_and_batches_fall(
    window: Window,
    events: list[list[tuple[int, str]]],
    at: list[int],
    crashes: set[int],
    rng: random.Random,
) -> None:
    """Each partition is in order up to the delay; how far apart the partitions are is anybody's guess."""
    guarded = window.model_copy(update={"max_jump": None})
    delay = window.delay.total_seconds()
    queues = [
        sorted(
            (Arrival(ts, f"p{number}", key) for ts, key in queue), key=lambda a: a.ts + rng.uniform(0, delay)
        )
        for number, queue in enumerate(events)
    ]
    held = [number for number, queue in enumerate(queues) if queue]
    arrivals: list[Arrival] = []
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        for _ in range(min(len(queue), rng.choice([1, 3, 30]))):
            arrivals.append(queue.pop(0))
    stage = Stage(guarded, [f"p{number}" for number in held], shuffle=rng)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            stage.crash()
        stage.push(arrivals[start:stop], start)
    emitted = stage.finish()
    assert not emitted.late
    if window.kind == "session":
        placed = sorted(i for rows in emitted.final().values() for i in rows)
        assert placed == list(range(len(arrivals)))
        return
    expected: dict[tuple[str, tuple[int, int]], set[int]] = defaultdict(set)
    for i, arrival in enumerate(arrivals):
        for w in spans(window, arrival.ts):
            expected[arrival.key, w].add(i)
    assert emitted.final() == {w: frozenset(rows) for w, rows in expected.items()}


@given(
    aligned | sessions,
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from(["p0", "p1", "p2"]), st.sampled_from("ab")),
        max_size=60,
    ),
    cuts,
    st.sets(st.integers(0, 8)),
    st.randoms(use_true_random=False),
)
def test_batches_and_restarts_do_not_matter_with_many_keys_and_a_guard(
    window: Window,
    events: list[tuple[int, str, str]],
    at: list[int],
    crashes: set[int],
    rng: random.Random,
) -> None:
    """However disordered the events are: what is late is decided by their order alone."""
    arrivals = [Arrival(*event) for event in events]
    guarded = window.model_copy(update={"max_jump": timedelta(seconds=30)})

    def go(cuts: list[int], crashes: set[int], shuffle: random.Random | None) -> Emitted:
        stage = Stage(guarded, ["p0", "p1"], shuffle)
        for number, (start, stop) in enumerate(pieces(len(arrivals), cuts)):
            if number in crashes:
                stage.crash()
            stage.push(arrivals[start:stop], start)
        return stage.finish()

    assert go(at, crashes, rng) == go([], set(), None)


def test_a_quiet_key_closes_its_windows_as_the_stream_moves_on() -> None:
    """One event of a key, then none; the other keys are in other groups, too."""
    stage = Stage(spec(kind="tumbling", length=10, delay=0))
    stage.push([Arrival(5, "p0", "quiet")], 0)
    stage.push([Arrival(second, "p0", f"k{second % 7}") for second in range(5, 9)], 1)
    assert "quiet" not in stage.emitted().windows
    stage.push([Arrival(10, "p0", "k1")], 5)
    assert [rows for _, rows in stage.emitted().windows["quiet"]] == [(0,)]


@given(modes)
def test_a_key_of_one_partition_closes_its_windows_as_the_others_move_on(mode: str) -> None:
    stage = Stage(spec(kind="tumbling", length=10, delay=0, watermark=mode), ["p0", "p1"])
    stage.push([Arrival(second, "p0", "own") for second in range(100)], 0)
    assert not stage.emitted().windows
    stage.push([Arrival(second, "p1", "other") for second in range(100)], 100)
    stage.push([Arrival(100, "p0", "own")], 200)
    assert len(stage.emitted().windows["own"]) == 9
    assert not stage.emitted().late
