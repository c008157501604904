"""The windows do not depend on the batches, and the order of arrival matters only beyond the delay."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import Window
from tests.support.references import EPOCHS, aligned, cuts, sessions, spans, streams
from tests.support.windowing import Arrival, Emitted, Harness, Keyed, pieces, run, spec


@given(aligned | sessions, streams, cuts)
def test_batch_boundaries_do_not_matter(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    assert run(window, arrivals, at) == run(window, arrivals)


@given(aligned | sessions, streams)
def test_revisions_count_up_and_are_ordered(window: Window, arrivals: list[Arrival]) -> None:
    seen: dict[tuple[int, int], int] = defaultdict(int)
    for ref, rows in run(window, arrivals).windows:
        if window.kind != "session":
            assert ref.revision == seen[ref.start, ref.end]
            seen[ref.start, ref.end] += 1
        assert rows, "an empty window was emitted"
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
def test_one_partition_far_ahead_makes_nothing_late(partitions: int) -> None:
    window = spec(kind="sliding", length=600, slide=300, delay=300)
    harness = Harness(window)
    # All partitions had data before the downtime. Afterwards one partition is read hours ahead of the others.
    seen = [Arrival(i, f"p{i % partitions}") for i in range(partitions)]
    ahead = [Arrival(60 * i, f"p{p}") for p in range(partitions) for i in range(1, 300)]
    harness.push(seen, 0)
    harness.crash()
    harness.push(ahead, len(seen))
    harness.finish()
    assert not harness.emitted().late


@given(
    aligned,
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
    stream = Keyed(guarded, [f"p{number}" for number in held])
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            stream.crash()
        stream.push(arrivals[start:stop], start)
    emitted = stream.finish()
    expected: dict[str, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))
    for i, arrival in enumerate(arrivals):
        for w in spans(window, arrival.ts):
            expected[arrival.key][w].add(i)
    assert not [late for each in emitted.values() for late in each.late]
    assert {key: each.final() for key, each in emitted.items()} == {
        key: {w: frozenset(rows) for w, rows in windows.items()} for key, windows in expected.items()
    }


@given(
    aligned | sessions,
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from(["p0", "p1", "p2"]), st.sampled_from("ab")),
        max_size=60,
    ),
    cuts,
    st.sets(st.integers(0, 8)),
)
def test_batches_and_restarts_do_not_matter_with_many_keys_and_a_guard(
    window: Window, events: list[tuple[int, str, str]], at: list[int], crashes: set[int]
) -> None:
    """However disordered the events are: what is late is decided by their order alone."""
    arrivals = [Arrival(*event) for event in events]
    guarded = window.model_copy(update={"max_jump": timedelta(seconds=30)})

    def go(cuts: list[int], crashes: set[int]) -> dict[str, Emitted]:
        stream = Keyed(guarded, ["p0", "p1"])
        for number, (start, stop) in enumerate(pieces(len(arrivals), cuts)):
            if number in crashes:
                stream.crash()
            stream.push(arrivals[start:stop], start)
        return stream.finish()

    assert go(at, crashes) == go([], set())


def test_a_key_of_one_partition_closes_its_windows_as_the_others_move_on() -> None:
    stream = Keyed(spec(kind="tumbling", length=10, delay=0), ["p0", "p1"])
    stream.push([Arrival(second, "p0", "own") for second in range(100)], 0)
    assert not stream.keys["own"].windows
    stream.push([Arrival(second, "p1", "other") for second in range(100)], 100)
    stream.push([Arrival(100, "p0", "own")], 200)
    assert len(stream.keys["own"].windows) == 9
    assert not stream.keys["own"].emitted().late
