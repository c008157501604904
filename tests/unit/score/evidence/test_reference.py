"""A reference that is carried on from window to window, beside one that is computed from its definition."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.clock import NEVER
from dataflow.items.fixed import LENGTH, squared
from dataflow.score.evidence.beside import Values
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.reference import Reference
from dataflow.score.evidence.surge import COUNTS, surge
from tests.support.evidence import MINUTE, candidates, options, stream

ROWS = 30


def by_definition(members: Features, events: Features, neighbours: int, *, with_window: bool) -> Values:
    """The values of ``events``, each beside the members that are not in its window."""
    novelty, within, alike, rows = [], [], [], []
    for i in range(len(events)):
        apart = (members.ts < events.starts[i]) | (members.ts >= events.ends[i])
        squares = squared(events.vectors[i : i + 1], members.vectors[apart])[0]
        near = [d for d in events.near.squares[i].tolist() if d < 2**31 - 1]
        # At most half of the nearest events, rounded up, are of the window.
        of_window = sorted(near)[: (neighbours + 1) // 2] if with_window else []
        nearest = sorted([*squares.tolist(), *of_window])[:neighbours]
        novelty.append(np.mean(np.sqrt(nearest)) / LENGTH if nearest else 0.0)
        within.append([sum(squares <= near[k - 1]) if len(near) >= k else 0 for k in COUNTS])
        alike.append(sum(members.forms[apart] == events.forms[i]))
        rows.append(int(apart.sum()))
    share = (np.array(alike) + events.alike) / (np.array(rows) + events.sizes)
    surges = surge(events.near, np.array(within).reshape(-1, 4), np.array(rows))
    return Values(np.array(novelty), surges, -np.log10(share), events.scores)


def equal(found: Values, expected: Values) -> bool:
    pairs = ((getattr(found, name), getattr(expected, name)) for name in ("novelty", "surge", "rarity"))
    return len(found) == len(expected) and all(np.allclose(one, other) for one, other in pairs)


@pytest.mark.parametrize(("neighbours", "with_window"), [(1, False), (3, False), (3, True), (20, True)])
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), waits=st.integers(0, 5), half_life=st.sampled_from(["1m", "1d"]))
def test_a_reference_is_what_its_definition_says(
    seed: int, waits: int, half_life: str, neighbours: int, with_window: bool
) -> None:
    score = options(novelty_neighbours=neighbours, half_life=half_life)
    reference = Reference(8, rows=ROWS, neighbours=neighbours, with_window=with_window)
    offered: list[tuple[Features, np.ndarray]] = []
    rng = np.random.default_rng(seed)
    for minute, texts in enumerate(stream(seed, 8, keys="a")):
        events = candidates(minute, texts, score).events
        start, end = minute * MINUTE, (minute + 1) * MINUTE
        count = reference.prepare(start, end)
        if offered:
            known = Features.concat([each for each, _ in offered])
            released = np.concatenate([until for _, until in offered])
            order = np.argsort(known.priority)[:ROWS]
            sample = known.take(order)
            members = sample.take((released[order] <= end) & (sample.ts < start))
            assert count == len(members)
            if count:
                expected = by_definition(members, events, neighbours, with_window=with_window)
                assert equal(reference.values(events), expected)
            usual = by_definition(members, sample, neighbours, with_window=with_window)
            found = reference.usual(0)
            assert np.allclose(np.sort(found.novelty), np.sort(usual.novelty))
            assert np.allclose(np.sort(found.surge), np.sort(usual.surge))
            assert np.allclose(np.sort(found.rarity), np.sort(usual.rarity))
        until = np.where(rng.random(len(events)) < 0.3, end + waits * MINUTE, 0)
        offered.append((events, until))
        reference.enter(events, until)


@pytest.mark.parametrize(("neighbours", "with_window"), [(1, False), (3, True), (20, True)])
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 7))
def test_pinned_events_are_the_members_at_any_time(
    seed: int, at: int, neighbours: int, with_window: bool
) -> None:
    score = options(novelty_neighbours=neighbours)
    reference = Reference(8, rows=ROWS, neighbours=neighbours, with_window=with_window)
    # Their times are those of the stream: a saved reference of the same stream is pinned.
    pinned = candidates(0, stream(seed + 1, 1, keys="a", rate=99)[0], score).events
    members = replace(pinned, ts=np.full(len(pinned), NEVER))
    offered: list[Features] = []
    for minute, texts in enumerate(stream(seed, 8, keys="a")):
        if minute == at:
            reference.pin(pinned)
        events = candidates(minute, texts, score).events
        count = reference.prepare(minute * MINUTE, (minute + 1) * MINUTE)
        if minute >= at:
            assert count == len(pinned)
            expected = by_definition(members, events, neighbours, with_window=with_window)
            assert equal(reference.values(events), expected)
            if offered:
                known = Features.concat(offered)
                sample = known.take(np.argsort(known.priority)[:ROWS])
                usual = by_definition(members, sample, neighbours, with_window=with_window)
                found = reference.usual(0)
                for name in ("novelty", "surge", "rarity"):
                    assert np.allclose(np.sort(getattr(found, name)), np.sort(getattr(usual, name)))
        offered.append(events)
        reference.enter(events, np.zeros(len(events), np.int64))


def test_no_member_is_of_the_window_or_later() -> None:
    score = options()
    reference = Reference(8, rows=100, neighbours=1, with_window=False)
    for minute, texts in enumerate(stream(1, 3, keys="a")):
        events = candidates(minute, texts, score).events
        reference.enter(events, np.zeros(len(events), np.int64))
    # A revision of the window in the middle comes after the last window.
    assert reference.prepare(MINUTE, 2 * MINUTE) == 20
    assert len(reference.usual(0)) == 20


def test_what_is_not_released_is_known_by_its_priority() -> None:
    score = options()
    reference = Reference(8, rows=100, neighbours=1, with_window=False)
    events = candidates(0, stream(1, 1, keys="a")[0], score).events
    released = np.where(np.arange(len(events)) % 2, 5 * MINUTE, 0)
    reference.enter(events, released)
    assert reference.prepare(MINUTE, 2 * MINUTE) == 10
    priority, until = reference.waiting()
    assert sorted(events.priority[1::2].tolist()) == priority.tolist()
    assert set(until.tolist()) == {5 * MINUTE}
    assert reference.prepare(4 * MINUTE, 5 * MINUTE) == 20
    assert not len(reference.waiting()[0])


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), since=st.integers(0, 7), until=st.integers(0, 9))
def test_events_that_are_marked_real_are_no_part_of_the_reference_while_the_mark_counts(
    seed: int, since: int, until: int
) -> None:
    score = options()
    reference = Reference(8, rows=ROWS, neighbours=1, with_window=False)
    texts = stream(seed, 8, keys="a")
    marked = candidates(0, texts[0], score).events.vectors[0]
    offered: list[Features] = []
    for minute, some in enumerate(texts):
        events = candidates(minute, some, score).events
        counts = since <= minute < until
        reference.is_real = partial(_is_marked, marked if counts else np.zeros(8))
        count = reference.prepare(minute * MINUTE, (minute + 1) * MINUTE)
        if offered:
            known = Features.concat(offered)
            sample = known.take(np.argsort(known.priority)[:ROWS])
            rest = sample.take(~_is_marked(marked, sample.vectors)) if counts else sample
            assert count == len(rest)
            if count:
                assert equal(reference.values(events), by_definition(rest, events, 1, with_window=False))
            found, usual = reference.usual(0), by_definition(rest, rest, 1, with_window=False)
            for name in ("novelty", "surge", "rarity"):
                assert np.allclose(np.sort(getattr(found, name)), np.sort(getattr(usual, name)))
        offered.append(events)
        reference.enter(events, np.zeros(len(events), np.int64))


def _is_marked(marked: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = (vectors == marked).all(axis=1)
    return found
