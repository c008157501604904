"""The window state machine against references that keep no state."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.counts import SLACK
from dataflow.window.sample import levels
from tests.support.windowing import Arrival, Emitted, Harness, Keyed, pieces, run, spec, watermarks

EPOCHS = st.sampled_from([0, -5_000_000_000, 1_700_000_000])

aligned = st.builds(
    lambda length, slide, delay, lateness: spec(
        kind="sliding", length=length, slide=min(slide, length), delay=delay, allowed_lateness=lateness
    ),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
) | st.builds(
    lambda length, delay: spec(kind="tumbling", length=length, delay=delay),
    st.integers(1, 60),
    st.integers(0, 30),
)
tumbling_of_10 = spec(kind="tumbling", length=10, delay=0)
sessions = st.builds(
    lambda gap, delay, lateness: spec(kind="session", gap=gap, delay=delay, allowed_lateness=lateness),
    st.integers(1, 40),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
)
streams = st.builds(
    lambda base, events: [Arrival(base + ts, p) for ts, p in events],
    EPOCHS,
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["p0", "p1"])), max_size=60),
)
cuts = st.lists(st.integers(0, 60), max_size=8)


def spans(window: Window, ts: int) -> list[tuple[int, int]]:
    """The windows of an event, by trying them all; seconds."""
    length = int(window.length.total_seconds())
    slide = length if window.kind == "tumbling" else int(window.slide.total_seconds())
    near = range(ts // slide - length // slide - 2, ts // slide + 2)
    return [(k * slide, k * slide + length) for k in near if k * slide <= ts < k * slide + length]


def reference(
    window: Window, arrivals: list[Arrival]
) -> tuple[dict[tuple[int, int], frozenset[int]], set[int]]:
    """Each window's events at its last emission, and the late events: no state, every event by itself."""
    lateness = window.allowed_lateness.total_seconds()
    windows, late = defaultdict(set), set()
    for i, (arrival, mark) in enumerate(zip(arrivals, watermarks(window, arrivals), strict=True)):
        still = [(start, end) for start, end in spans(window, arrival.ts) if end + lateness > mark]
        for w in still:
            windows[w].add(i)
        if not still:
            late.add(i)
    return {w: frozenset(rows) for w, rows in windows.items()}, late


@given(aligned, streams, cuts)
def test_aligned_windows_equal_the_reference(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    emitted = run(window, arrivals, at)
    expected, late = reference(window, arrivals)
    assert emitted.final() == expected
    assert set(emitted.late) == late
    assert all(by >= 0 for by in emitted.late.values())


@given(aligned, streams)
def test_the_first_emission_holds_what_came_in_time(window: Window, arrivals: list[Arrival]) -> None:
    emitted = run(window, arrivals)
    marks = watermarks(window, arrivals)
    for ref, rows in emitted.windows:
        start, end = ref.start // 1_000_000, ref.end // 1_000_000
        on_time = {i for i, a in enumerate(arrivals) if start <= a.ts < end and marks[i] < end}
        if ref.revision == 0 and on_time:
            assert set(rows) == on_time
        else:
            assert set(rows) > on_time or ref.revision > 0


@given(aligned, streams, cuts)
def test_a_window_comes_as_soon_as_the_watermark_is_at_its_end(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    harness, due = Harness(window), set[int]()
    # One more, to have the watermark after the last.
    marks = watermarks(window, [*arrivals, Arrival(0)])
    for start, stop in pieces(len(arrivals), at):
        harness.push(arrivals[start:stop], start)
        for arrival, mark in zip(arrivals[start:stop], marks[start:stop], strict=True):
            due |= {end for _, end in spans(window, arrival.ts) if end > mark}
        emitted = {ref.end // 1_000_000 for ref, _ in harness.emitted().windows}
        assert {end for end in due if end <= marks[stop]} <= emitted


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
    # An event may be overtaken by those up to `delay` younger: at the watermark it is still on time.
    jittered = sorted(in_order, key=lambda ts: ts + rng.uniform(0, delay))
    plain, shuffled = (run(window, [Arrival(base + ts) for ts in s]) for s in (in_order, jittered))
    assert not plain.late
    assert not shuffled.late
    as_times = [
        {w: sorted(s[i] for i in rows) for w, rows in e.final().items()}
        for s, e in ((in_order, plain), (jittered, shuffled))
    ]
    assert as_times[0] == as_times[1]


@given(sessions, st.lists(st.integers(0, 500), max_size=60))
def test_sessions_of_ordered_events_are_split_at_the_gaps(window: Window, times: list[int]) -> None:
    gap = int(window.gap.total_seconds())
    expected: list[list[int]] = []
    for ts in sorted(times):
        if expected and ts - expected[-1][-1] < gap:
            expected[-1].append(ts)
        else:
            expected.append([ts])
    emitted = run(window, [Arrival(ts) for ts in sorted(times)])
    assert sorted(emitted.final()) == [(s[0], s[-1] + gap) for s in expected]
    assert [len(rows) for _, rows in sorted(emitted.final().items())] == [len(s) for s in expected]


@given(sessions, streams, cuts)
def test_sessions_conserve_events_and_never_overlap(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    emitted = run(window, arrivals, at)
    last = last_revisions(emitted, arrivals)
    placed = [i for rows in last.values() for i in rows]
    assert sorted([*placed, *emitted.late]) == list(range(len(arrivals)))
    marks, gap = watermarks(window, arrivals), window.gap.total_seconds()
    lateness = window.allowed_lateness.total_seconds()
    for i in emitted.late:
        assert arrivals[i].ts < marks[i] - lateness
    for rows in last.values():
        times = sorted(arrivals[i].ts for i in rows)
        assert all(b - a < gap for a, b in itertools.pairwise(times))
    by_start = sorted(last)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(by_start))


def last_revisions(emitted: Emitted, arrivals: list[Arrival]) -> dict[tuple[int, int], tuple[int, ...]]:
    """A revised session may have another start or end: it replaces those whose events it holds."""
    last: dict[tuple[int, int], tuple[int, ...]] = {}
    for ref, rows in emitted.windows:
        last = {w: r for w, r in last.items() if not set(r) & set(rows)}
        last[ref.start, ref.end] = rows
    return last


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


def sample(members: Iterable[int], limit: int) -> frozenset[int]:
    """The events of the lowest level that is not too many, from the definition."""
    level = {i: int(n) for i, n in zip(members, levels(pa.array([f"{i:06d}" for i in members])), strict=True)}
    lowest = next(k for k in range(65) if sum(n >= k for n in level.values()) <= limit)
    return frozenset(i for i, n in level.items() if n >= lowest)


@given(aligned, streams, cuts, st.integers(1, 12), st.sets(st.integers(0, 8)))
def test_a_limited_window_is_a_sample_by_id_alone(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, crashes: set[int]
) -> None:
    limited = window.model_copy(update={"max_window_rows": limit})
    harness = Harness(limited)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            harness.crash()
        harness.push(arrivals[start:stop], start)
        windows = {
            w
            for pane in harness.machine._counts.panes()
            for w in harness.machine._assigner.windows_kept(pane)
        }
        assert harness.machine.rows <= (1 + SLACK) * limit * len(windows)
    harness.finish()
    members, late = reference(window, arrivals)
    expected = {w: rows for w, m in members.items() if (rows := sample(sorted(m), limit))}
    # The sample of a window may be empty where it is this small; then an earlier revision is its last.
    assert {w: rows for w, rows in harness.emitted().final().items() if w in expected} == expected
    assert set(harness.emitted().late) == late
    last = {(w.ref.start // 1_000_000, w.ref.end // 1_000_000): w.seen for w in harness.windows}
    assert {w: last[w] for w in expected} == {w: len(members[w]) for w in expected}


@given(sessions, st.lists(st.integers(0, 500), max_size=60), st.integers(1, 12), cuts)
def test_a_limited_session_is_a_sample_too(
    window: Window, times: list[int], limit: int, at: list[int]
) -> None:
    arrivals = [Arrival(ts) for ts in sorted(times)]
    whole = run(window, arrivals).final()
    limited = run(window.model_copy(update={"max_window_rows": limit}), arrivals, at).final()
    assert limited == {w: s for w, m in whole.items() if (s := sample(sorted(m), limit))}


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


@pytest.mark.parametrize("partitions", [1, 3])
def test_one_partition_far_ahead_makes_nothing_late(partitions: int) -> None:
    window = spec(kind="sliding", length=600, slide=300, delay=300)
    harness = Harness(window)
    # All partitions have spoken before the downtime; afterwards one is read hours ahead of the others.
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


@given(aligned, streams, cuts, st.integers(1, 12), st.integers(1, 12), st.integers(0, 8))
def test_a_sample_may_have_another_size_on_the_same_store(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, later: int, change: int
) -> None:
    """Each window is a sample of its events by their ids alone: all those of some level and above."""
    harness = Harness(window.model_copy(update={"max_window_rows": limit}))
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number == change:
            harness.spec = window.model_copy(update={"max_window_rows": later})
            harness.crash()
        harness.push(arrivals[start:stop], start)
    harness.finish()
    members, late = reference(window, arrivals)
    assert set(harness.emitted().late) == late
    for w, rows in harness.emitted().final().items():
        ids = sorted(members[w])
        of = dict(zip(ids, levels(pa.array([f"{i:06d}" for i in ids])).tolist(), strict=True))
        lowest = min(of[i] for i in rows)
        assert rows == {i for i in ids if of[i] >= lowest}
