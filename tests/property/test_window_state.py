"""The state of windows: complete after a restart, with other settings too, and no larger than needed."""

import random
from collections import defaultdict
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.counts import SLACK
from tests.support.references import (
    aligned,
    cuts,
    reference,
    sessions,
    spans,
    streams,
    tumbling_of_10,
)
from tests.support.windowing import Arrival, Emitted, Harness, Keyed, pieces, run, spec, watermarks


@given(aligned | sessions, streams, cuts, st.sets(st.integers(0, 8)), st.randoms(use_true_random=False))
def test_a_restart_anywhere_changes_nothing(
    window: Window, arrivals: list[Arrival], at: list[int], crashes: set[int], rng: random.Random
) -> None:
    harness = Harness(window, shuffle=rng)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            harness.crash()
        harness.push(arrivals[start:stop], start)
    harness.crash()
    harness.finish()
    assert harness.emitted() == run(window, arrivals)
    assert not harness.stored or window.allowed_lateness
    assert harness.stored.keys() == harness.readers.keys()


@given(aligned | sessions, streams, cuts)
@settings(max_examples=50)
def test_no_more_is_kept_than_is_needed(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    harness = Harness(window)
    for start, stop in pieces(len(arrivals), at):
        harness.push(arrivals[start:stop], start)
        kept = sum(len(rows) for k in harness.stored.values() for rows in k.batches)
        assert kept == harness.machine.rows
        mark = watermarks(window, [*arrivals[:stop], Arrival(0)])[-1]
        if window.kind != "session":
            lateness = window.allowed_lateness.total_seconds()
            _, late = reference(window, arrivals[:stop])
            needed = [
                i
                for i, a in enumerate(arrivals[:stop])
                if i not in late and any(end + lateness > mark for _, end in spans(window, a.ts))
            ]
            assert len(needed) <= kept <= (1 + SLACK) * len(needed)


@given(
    aligned | sessions,
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), max_size=30),
    st.sets(st.integers(0, 30)),
)
def test_a_key_at_rest_remembers_what_it_must(
    window: Window, steps: list[tuple[int, int]], rests: set[int]
) -> None:
    """Events and silences; taken up again from the few numbers kept of an empty key, it goes on the same."""

    def go(resting: bool) -> Emitted:
        harness, now, ts = Harness(idle), 0, 0
        for number, (forward, silence) in enumerate(steps):
            ts += forward - 10
            harness.push([Arrival(ts)], number)
            now += silence * 1_000_000
            harness.tick(now)
            if resting and number in rests and harness.machine.idle():
                harness.crash()
        harness.finish()
        return harness.emitted()

    idle = window.model_copy(update={"idle_timeout": timedelta(seconds=60)})
    assert go(resting=True) == go(resting=False)


def test_a_key_that_comes_back_does_not_open_a_closed_window_again() -> None:
    harness = Harness(spec(kind="tumbling", length=100, delay=0, idle_timeout=10))
    harness.push([Arrival(50)], 0)
    harness.tick(200_000_000)
    assert [ref for ref, _ in harness.emitted().windows] == [(0, 100_000_000, 0)]
    assert harness.machine.idle() is not None
    harness.crash()
    harness.push([Arrival(60)], 1)
    harness.finish()
    assert len(harness.windows) == 1
    assert set(harness.emitted().late) == {1}


def test_a_key_at_rest_waits_for_a_partition_that_is_behind() -> None:
    stream = Keyed(spec(kind="tumbling", length=10, delay=0, idle_timeout=60), ["p0", "p1"])
    stream.push([Arrival(0, "p1", "other")], 0)
    stream.push([Arrival(5, "p0", "own"), Arrival(5, "p1", "own")], 1)
    own = stream.keys["own"]
    own.tick(200_000_000)
    assert own.machine.idle() is not None
    stream.crash()
    stream.push([Arrival(second, "p0", "own") for second in range(300, 400)], 3)
    stream.push([Arrival(second, "p1", "own") for second in range(300, 400)], 103)
    assert not stream.finish()["own"].late


@given(aligned | sessions, streams, cuts, st.integers(0, 40), st.integers(0, 8), st.booleans())
@example(tumbling_of_10, [Arrival(0), Arrival(15), Arrival(5), Arrival(30)], [2], 40, 1, False)
@example(tumbling_of_10, [Arrival(0), Arrival(5), Arrival(30)], [1], 400, 1, True)
def test_another_lateness_on_the_same_store_revives_no_window(
    window: Window, arrivals: list[Arrival], at: list[int], lateness: int, change: int, silence: bool
) -> None:
    """A window that comes again has all the rows that it had, and an event is lost in no case."""
    idle = window.model_copy(update={"idle_timeout": timedelta(seconds=60)})
    harness = Harness(idle)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number == change:
            if silence:
                harness.tick(harness.now + 400_000_000)
            harness.spec = idle.model_copy(update={"allowed_lateness": timedelta(seconds=lateness)})
            harness.crash()
        harness.push(arrivals[start:stop], start)
    harness.finish()
    emitted = harness.emitted()
    last: dict[tuple[int, int], set[int]] = defaultdict(set)
    for ref, rows in emitted.windows:
        assert last[ref.start, ref.end] <= set(rows)
        last[ref.start, ref.end] = set(rows)
    assert set().union(*last.values()) | emitted.late.keys() == set(range(len(arrivals)))
