"""What holds for the clusters of any windows of a key."""

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.arrays import Vectors
from dataflow.score.clusters import ClusterTracker, KeyClusters, Tracked
from dataflow.settings import Score
from tests.support.batches import embedded
from tests.support.topics import topic_rows, topics_of

CLUSTERS = 4
TRACKER = ClusterTracker(Score(clusters=CLUSTERS))
seeds = st.integers(0, 2**32 - 1)
#: How many rows of each of six topics a window has, the noise, and how often rows repeat.
shapes = st.tuples(
    st.lists(st.integers(0, 40), min_size=6, max_size=6).filter(any),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.integers(1, 3),
    seeds,
)
several = st.lists(shapes, min_size=1, max_size=6)


def vectors_of(shape: tuple[list[int], float, int, int]) -> Vectors:
    sizes, noise, times, seed = shape
    return np.tile(topic_rows(sizes, seed, noise=noise), (times, 1))


def follow(windows: list[Vectors], restored_at: int | None = None) -> list[Tracked]:
    found: list[Tracked] = []
    before: KeyClusters | None = None
    for number, vectors in enumerate(windows):
        if number == restored_at and before is not None:
            before = KeyClusters.from_snapshot(pickle.loads(pickle.dumps(before.snapshot())))
        found.append(TRACKER.track(embedded(vectors), before))
        before = found[-1].clusters
    return found


def bits(tracked: Tracked) -> object:
    scores = tracked.scores
    return scores.values.tobytes(), scores.cluster.tobytes(), tracked.changes, tracked.clusters.snapshot()


@settings(deadline=None, max_examples=40)
@given(several)
def test_nothing_is_lost_or_reported_twice(drawn: list[tuple[list[int], float, int, int]]) -> None:
    windows = [vectors_of(shape) for shape in drawn]
    known: set[int] = set()
    used: set[int] = set()
    for vectors, tracked in zip(windows, follow(windows), strict=True):
        present = [change for change in tracked.changes if change.state != "gone"]
        gone = {change.cluster for change in tracked.changes if change.state == "gone"}
        numbers = {change.cluster for change in present}
        assert len(tracked.changes) == len(numbers) + len(gone)
        assert abs(sum(change.share for change in present) - 1) < 1e-9
        assert not known or abs(sum(change.before for change in tracked.changes) - 1) < 1e-9
        assert gone == known - numbers
        assert {change.cluster for change in present if change.state == "new"} == numbers - known
        assert not (numbers - known) & used
        assert set(tracked.scores.cluster.tolist()) == numbers == set(tracked.clusters.numbers.tolist())
        assert len(numbers) <= CLUSTERS
        assert all(1 <= len(set(change.examples)) == len(change.examples) <= 2 for change in present)
        assert len(tracked.scores.values) == len(vectors)
        assert (tracked.scores.values >= 0).all()
        assert np.isfinite(tracked.scores.values).all()
        known, used = numbers, used | numbers


@settings(deadline=None, max_examples=20)
@given(several, st.integers(1, 5))
def test_a_restart_at_any_window_changes_no_bit(
    drawn: list[tuple[list[int], float, int, int]], restored_at: int
) -> None:
    windows = [vectors_of(shape) for shape in drawn]
    alone, restarted = follow(windows), follow(windows, restored_at)
    assert [bits(each) for each in alone] == [bits(each) for each in restarted]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(5, 40), min_size=4, max_size=4), seeds)
def test_clear_topics_have_the_same_numbers_in_any_order_of_the_rows(sizes: list[int], seed: int) -> None:
    old, new = topic_rows(sizes, 0), topic_rows(sizes, seed)
    before = follow([old])[0].clusters
    order = np.random.default_rng(seed).permutation(len(new))
    one, other = (TRACKER.track(embedded(rows), before) for rows in (new, new[order]))
    np.testing.assert_array_equal(one.scores.cluster[order], other.scores.cluster)
    np.testing.assert_allclose(one.scores.values[order], other.scores.values, atol=1e-5)
    assert len(set(zip(topics_of(new), one.scores.cluster.tolist(), strict=True))) == 4
