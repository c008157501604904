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
    modes,
    reference,
    sessions,
    spans,
    streams,
    tumbling_of_10,
    watermarks,
)
from tests.support.windowing import Arrival, Emitted, Stage, pieces, run, spec


@given(aligned | sessions, streams, cuts, st.sets(st.integers(0, 8)), st.randoms(use_true_random=False))
def test_a_restart_anywhere_changes_nothing(
    window: Window, arrivals: list[Arrival], at: list[int], crashes: set[int], rng: random.Random
) -> None:
    stage = Stage(window, shuffle=rng)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            stage.crash()
        stage.push(arrivals[start:stop], start)
    stage.crash()
    assert stage.finish() == run(window, arrivals)
    for group in stage.groups.values():
        assert not group.stored or window.allowed_lateness
        assert group.stored.keys() == group.readers.keys()


@given(aligned | sessions, streams, cuts)
@settings(max_examples=50)
def test_no_more_is_kept_than_is_needed(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    stage = Stage(window)
    for start, stop in pieces(len(arrivals), at):
        stage.push(arrivals[start:stop], start)
        seen = arrivals[:stop]
        for number, group in stage.groups.items():
            kept = sum(len(rows) for chunk in group.stored.values() for rows in chunk.batches)
            assert group.machine.rows <= kept <= (1 + SLACK) * group.machine.rows
            if window.kind == "session" or window.watermark == "key":
                continue
            mark = watermarks(window, [*seen, Arrival(0)])[-1] - window.allowed_lateness.total_seconds()
            _, late = reference(window, seen)
            needed = [
                i
                for i, a in enumerate(seen)
                if i not in late
                and any(end > mark for _, end in spans(window, a.ts))
                and stage.group(a.key) == number
            ]
            assert group.machine.rows == len(needed)


@given(aligned | sessions, streams)
def test_the_watermark_of_the_stream_leaves_nothing_of_keys_that_are_gone(
    window: Window, arrivals: list[Arrival]
) -> None:
    """A million keys come and go: what is left does not depend on them."""
    stream = window.model_copy(update={"watermark": "stream"})
    stage = Stage(stream)
    stage.push(arrivals, 0)
    last = max((arrival.ts for arrival in arrivals), default=0) + 10_000
    stage.push([Arrival(last, partition, "z") for partition in ("p0", "p1")], len(arrivals))
    fresh = Stage(stream)
    fresh.push([Arrival(last, partition, "z") for partition in ("p0", "p1")], 0)
    for number, group in stage.groups.items():
        state, expected = group.machine.snapshot(), fresh.groups[number].machine.snapshot()
        assert state["fired"] == expected["fired"]
        assert state["clocks"] == expected["clocks"]
        assert [key for key, _ in state["keys"]] == [key for key, _ in expected["keys"]]
        if stream.kind == "session":
            _, live, gone = state["assigner"]
            assert [key for key, _ in live] == [key for key, _ in expected["assigner"][1]]
            assert not gone


@given(aligned | sessions, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), max_size=30), modes)
def test_silence_closes_windows_and_a_restart_in_it_changes_nothing(
    window: Window, steps: list[tuple[int, int]], mode: str
) -> None:
    """Events and silences, with a restart in the silence; the silence counts for the rest of it."""

    def go(restart: bool) -> Emitted:
        stage, now, ts = Stage(idle), 0, 0
        for number, (forward, silence) in enumerate(steps):
            ts += forward - 10
            stage.push([Arrival(ts)], number)
            now += silence * 1_000_000
            for second in range(stage.now, now, 1_000_000):
                stage.tick(second)
            if restart:
                stage.crash()
        return stage.finish()

    idle = window.model_copy(update={"idle_timeout": timedelta(seconds=60), "watermark": mode})
    assert go(restart=True) == go(restart=False)


@given(modes)
def test_a_key_that_comes_back_does_not_open_a_closed_window_again(mode: str) -> None:
    stage = Stage(spec(kind="tumbling", length=100, delay=0, idle_timeout=10, watermark=mode))
    stage.push([Arrival(50)], 0)
    for second in range(200):
        stage.tick(second * 1_000_000)
    assert stage.emitted().windows["k"] == [((0, 100_000_000, 0), (0,))]
    stage.crash()
    stage.push([Arrival(60)], 1)
    assert set(stage.finish().late) == {1}
    assert len(stage.emitted().windows["k"]) == 1


def test_a_key_that_is_remembered_no_longer_is_new() -> None:
    stage = Stage(spec(kind="tumbling", length=100, delay=0, idle_timeout=10, watermark="key", remember=300))
    stage.push([Arrival(50)], 0)
    for second in range(299):
        stage.tick(second * 1_000_000)
    (group,) = stage.groups.values()
    assert list(group.machine.watermarks)
    stage.tick(300_000_000)
    assert not list(group.machine.watermarks)
    assert not group.machine.snapshot()["fired"]


@given(
    aligned | sessions,
    streams,
    cuts,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 8),
    st.booleans(),
)
@example(tumbling_of_10, [Arrival(0), Arrival(15), Arrival(5), Arrival(30)], [2], (1, 40), 1, False)
def test_another_lateness_on_the_same_store_revives_no_window(
    window: Window,
    arrivals: list[Arrival],
    at: list[int],
    lateness: tuple[int, int],
    change: int,
    silence: bool,
) -> None:
    """A window that comes again has all the rows that it had, and an event is lost in no case."""
    before, after = (
        window.model_copy(
            update={"idle_timeout": timedelta(seconds=60), "allowed_lateness": timedelta(seconds=seconds)}
        )
        for seconds in lateness
    )
    stage = Stage(before)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number == change:
            if silence:
                for _ in range(400):
                    stage.tick(stage.now + 1_000_000)
            stage.spec = after
            stage.crash()
        stage.push(arrivals[start:stop], start)
    emitted = stage.finish()
    last: dict[tuple[str, int, int], set[int]] = defaultdict(set)
    for key, windows in emitted.windows.items():
        for ref, rows in windows:
            assert last[key, ref.start, ref.end] <= set(rows)
            last[key, ref.start, ref.end] = set(rows)
    assert set().union(*last.values()) | emitted.late.keys() == set(range(len(arrivals)))
