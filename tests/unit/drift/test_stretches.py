"""Surges in one stretch: what a window holds does not say how long its own blocks have to be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.drift.blocks import cut
from dataflow.drift.dependence import Learnt, dependence, learn, taught
from dataflow.drift.rows import batch
from dataflow.drift.tracker import Tracker
from dataflow.items.fixed import LENGTH, Fixed
from dataflow.items.judged import Judged
from dataflow.settings import Drift as Options
from dataflow.settings import Window, duration
from tests.support.drift import BOTH, Compare, repeated
from tests.support.drift import sample as sampled
from tests.support.drift import windows as beside
from tests.support.drifting import DIM, sample, vectors
from tests.support.judged import MINUTE, Seen, judged
from tests.support.plain import stored

WINDOW = Window(length=duration("2m"), slide=duration("1m"))
#: Events of a minute, and minutes of a stream.
ROWS, MINUTES = 100, 24


def events(seed: int = 0, times: int = 1) -> Fixed:
    """Of all minutes, without drift. Each event comes ``times`` times in a row."""
    found: Fixed = np.repeat(vectors(np.random.default_rng(seed), MINUTES * ROWS // times), times, axis=0)
    return found


def with_stretch(rows: Fixed, first: int, count: int) -> Fixed:
    """``count`` equal events from ``first`` on."""
    found = rows.copy()
    found[first : first + count] = LENGTH * np.eye(DIM, dtype=np.int16)[0]
    return found


def emissions(rows: Fixed, sizes: list[int] | None = None) -> list[Judged]:
    """Windows of two minutes. ``sizes``: the events of each minute."""
    ends = np.cumsum(sizes or [ROWS] * MINUTES)
    minutes, found = np.split(rows[: ends[-1]], ends[:-1]), []
    for number in range(1, len(minutes)):
        past = np.concatenate([np.empty((0, DIM), np.int16), *minutes[: number - 1]])
        past = past[np.sort(np.random.default_rng(number).permutation(len(past))[:1000])]
        one = sample(0, number, np.concatenate(minutes[number - 1 : number + 1]), past)
        seen = {"a": Seen((number - 1) * MINUTE, (number + 1) * MINUTE, (), len(one.rows), False)}
        found.append(replace(judged(number - 1, seen), samples=[one]))
    return found


def rows_of(rows: Fixed, sizes: list[int] | None = None, alarming: float = 1.0) -> list[dict[str, Any]]:
    of = Tracker(Options(), WINDOW, 1)
    return [row for each in emissions(rows, sizes) for row in batch(of.take(each, alarming)[1]).to_pylist()]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("place", [20, 21, 22])
def test_a_surge_in_one_stretch_is_found(times: int, place: int) -> None:
    """A quarter of a window. Two windows have the stretch, the first or the second of which teaches."""
    found = rows_of(with_stretch(events(times=times), place * ROWS + ROWS // 2, ROWS // 2))
    assert {row["state"] for row in found[place - 5 : place + 1]} == {"tested"}
    assert min(row["p_value"] for row in found[place - 5 : place - 1]) > 0.05
    assert max(row["p_value"] for row in found[place - 1 : place + 1]) < 0.01


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["equal", "runs", "other"]), last=st.integers(18, 23))
def test_what_a_window_holds_does_not_say_how_long_its_blocks_are(seed: int, kind: str, last: int) -> None:
    """Also if other windows hold some of its events."""
    rows = events(times=2)
    window = slice((last - 1) * ROWS, (last + 1) * ROWS)
    other = rows.copy()
    if kind == "equal":
        other[window] = rows[0]
    else:
        other[window] = np.repeat(vectors(np.random.default_rng(seed), ROWS // 5), 10, axis=0)
        if kind == "other":
            other[window] = np.random.default_rng(seed).permutation(other[window])
    first, second = (rows_of(each, alarming=1e-9)[last - 1] for each in (rows, other))
    assert first["state"] == "tested"
    assert first["block_rows"] == second["block_rows"]


def test_a_flood_that_makes_a_window_larger_than_all_before_is_found() -> None:
    sizes = [ROWS // 2] * (MINUTES - 1) + [ROWS * 6]
    rows = with_stretch(events(), sum(sizes[:-1]) + 50, ROWS * 5)
    *before, last = rows_of(rows, sizes)
    assert min(row["p_value"] for row in before[-3:]) > 0.01
    assert last["state"] == "tested"
    assert last["p_value"] < 0.01


def test_a_stretch_teaches_later_windows() -> None:
    """A stream that has one in each window has no surge."""
    rows = events()
    for minute in range(MINUTES):
        rows = with_stretch(rows, minute * ROWS, ROWS // 2)
    found = rows_of(rows)
    assert {row["state"] for row in found} == {"learning"}


@BOTH
@pytest.mark.parametrize("times", [3, 6])
def test_dependent_events_seldom_alarm(compare: Compare, times: int) -> None:
    """With the length of blocks that eight other windows teach."""
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        learnt: Learnt = {}
        for _ in range(8):
            learnt = learn(learnt, taught(cut(*repeated(rng, 480, times))))
        past = repeated(rng, 480, times) if compare is beside else sampled(rng, 480)
        one = compare(past, repeated(rng, 480, times), dependence(learnt, 8), seed=seed)
        found += [(one.p_centroid, one.p_clusters)] if one else []
    assert len(found) >= 60
    assert (np.array(found) <= 0.1).mean(axis=0).max() <= 0.1 + 3 * np.sqrt(0.1 / len(found))


def test_a_state_that_does_not_know_what_the_last_window_taught_goes_on() -> None:
    """As it was written before windows were tested with what earlier ones taught."""
    stream = emissions(events())
    of = Tracker(Options(), WINDOW, 1)
    for each in stream[:-6]:
        of.take(each)
    state = stored(of.snapshot())
    [(key, old)] = state["keys"]
    assert old.pop("latest")
    later = Tracker(Options(), WINDOW, 1, {"keys": [(key, old)]})
    rows = [row for each in stream[-6:] for row in batch(later.take(each)[1]).to_pylist()]
    assert {row["state"] for row in rows} == {"tested"}
    assert stored(later.snapshot())["keys"][0][1]["latest"]


def test_restarts_change_nothing() -> None:
    rows, state, found = with_stretch(events(times=2), 18 * ROWS, ROWS // 2), None, []
    for each in emissions(rows):
        of = Tracker(Options(), WINDOW, 1, state)
        found += batch(of.take(each)[1]).to_pylist()
        state = stored(of.snapshot())
    assert found == rows_of(rows)
