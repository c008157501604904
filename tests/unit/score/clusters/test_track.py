"""The clusters of a key over several windows."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.items.arrays import Vectors
from dataflow.score.clusters import ClusterTracker, KeyClusters, Tracked, column
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors
from tests.support.topics import topic_rows, topics_of

TRACKER = ClusterTracker(Score(clusters=4))


def numbers_of_topics(tracked: Tracked, vectors: Vectors) -> dict[int, int]:
    """Topic -> number. Each topic has one number."""
    pairs = set(zip(topics_of(vectors), tracked.scores.cluster.tolist(), strict=True))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def states(tracked: Tracked) -> dict[int, str]:
    return {change.cluster: change.state for change in tracked.changes}


def follow(windows: list[Vectors], before: KeyClusters | None = None) -> list[Tracked]:
    found: list[Tracked] = []
    for vectors in windows:
        found.append(TRACKER.track(embedded(vectors), before))
        before = found[-1].clusters
    return found


@pytest.mark.parametrize("n", [1, 4, 30, 128, 129, 700])
def test_a_first_window_is_that_of_the_scorer_to_the_bit(n: int) -> None:
    rows = embedded(unit_vectors(n))
    tracked, expected = TRACKER.track(rows, None), KMeansScorer(Score(clusters=4)).score(rows)
    assert tracked.scores.values.tobytes() == expected.values.tobytes()
    assert tracked.scores.cluster.tobytes() == expected.cluster.tobytes()
    assert set(states(tracked).values()) == {"new"}


def test_topics_keep_their_numbers_in_any_order_of_the_rows() -> None:
    windows = [topic_rows([50, 40, 30, 20], seed) for seed in range(5)]
    windows.append(windows[-1][::-1].copy())
    found = [numbers_of_topics(*pair) for pair in zip(follow(windows), windows, strict=True)]
    assert found == [found[0]] * 6


def test_topics_come_grow_fade_and_go() -> None:
    sizes = [(100, 100, 100, 100, 0), (200, 50, 100, 50, 0), (200, 50, 100, 0, 50), (200, 50, 100, 0, 50)]
    windows = [topic_rows(each, seed) for seed, each in enumerate(sizes)]
    found = follow(windows)
    zero, one, two, three = (numbers_of_topics(found[0], windows[0])[topic] for topic in range(4))
    assert states(found[1]) == {zero: "growing", one: "fading", two: "steady", three: "fading"}
    four = numbers_of_topics(found[2], windows[2])[4]
    assert four == 4
    assert states(found[2]) == {zero: "steady", one: "steady", two: "steady", three: "gone", four: "new"}
    assert states(found[3]) == {zero: "steady", one: "steady", two: "steady", four: "steady"}


def test_a_topic_that_comes_back_has_a_new_number() -> None:
    sizes = [(50, 50, 50, 50, 0), (50, 50, 50, 0, 50), (50, 50, 50, 50, 0)]
    windows = [topic_rows(each, seed) for seed, each in enumerate(sizes)]
    found = follow(windows)
    assert numbers_of_topics(found[2], windows[2])[3] == 5


def test_the_inertia_is_that_of_a_cold_start() -> None:
    """Either start can end in a poor optimum, so the median of many windows is the measure."""
    ratios = []
    for seed in range(20):
        sizes = np.random.default_rng(seed).integers(10, 60, 6)
        before, after = sizes.copy(), sizes.copy()
        before[seed % 6] = after[(seed + 2) % 6] = 0
        old, new = (topic_rows(each.tolist(), 2 * seed + i) for i, each in enumerate((before, after)))
        warm = follow([old, new])[1].scores.values
        cold = KMeansScorer(Score(clusters=4)).score(embedded(new)).values
        ratios.append(float((warm**2).sum() / (cold**2).sum()))
    assert np.median(ratios) <= 1.005, ratios


def test_far_events_have_the_highest_scores() -> None:
    windows = [topic_rows([300, 300, 300, 300], seed) for seed in range(2)]
    windows[1][[5, 500, 1100]] = -np.eye(16, dtype=np.float32)[[9, 10, 11]]
    scores = follow(windows)[1].scores.values
    assert set(np.argsort(scores)[-3:].tolist()) == {5, 500, 1100}


@pytest.mark.parametrize("n", [1, 2, 4, 5, 40])
@pytest.mark.parametrize("distinct", [1, 3, 4, 5])
def test_windows_with_few_distinct_events(n: int, distinct: int) -> None:
    first = follow([topic_rows([20, 20, 20, 20], 0)])[0].clusters
    vectors = unit_vectors(distinct)[np.arange(n) % distinct]
    tracked = TRACKER.track(embedded(vectors), first)
    if min(n, distinct) <= 4:
        assert not tracked.scores.values.any()
        assert len(tracked.clusters.numbers) == min(n, distinct)
    assert len(set(tracked.scores.cluster.tolist())) == len(tracked.clusters.numbers)
    assert follow([topic_rows([9, 9, 9, 9], 1)], tracked.clusters)[0].clusters.sizes.tolist() == [9] * 4


def test_equal_events_have_equal_scores_and_numbers() -> None:
    vectors = topic_rows([30, 30, 30, 30, 30], 1)[np.random.default_rng(0).integers(20, size=999)]
    tracked = follow([topic_rows([50] * 4, 0), vectors])[1]
    _, event = np.unique(vectors, axis=0, return_inverse=True)
    pairs = zip(event.tolist(), tracked.scores.values.tolist(), tracked.scores.cluster.tolist(), strict=True)
    assert len(set(pairs)) == len(set(event.tolist()))


def test_fewer_clusters_than_before_go_on_from_the_largest() -> None:
    before = follow([topic_rows([100, 80, 60, 9], 0)])[0]
    tracked = ClusterTracker(Score(clusters=3)).track(embedded(topic_rows([100, 80, 60], 1)), before.clusters)
    assert sorted(states(tracked).values()) == ["gone", "steady", "steady", "steady"]


@pytest.mark.parametrize("dim", [16, 24])
def test_another_model_starts_again_with_new_numbers(dim: int) -> None:
    before = follow([topic_rows([50] * 4, 0)])[0].clusters
    rows = embedded(topic_rows([20] * 3, 0, dim=dim), version="2")
    tracked = TRACKER.track(rows, before)
    assert tracked.scores.values.tolist() == KMeansScorer(Score(clusters=4)).score(rows).values.tolist()
    assert states(tracked) == {each: "gone" if each < 4 else "new" for each in range(8)}


def test_examples_are_the_nearest_events() -> None:
    vectors = topic_rows([50, 50, 50, 50], 0)
    tracked = follow([vectors])[0]
    for change in tracked.changes:
        rows = np.flatnonzero(tracked.scores.cluster == change.cluster)
        nearest = rows[np.argsort(tracked.scores.values[rows])][:2]
        assert change.examples == [f"text {row}" for row in nearest]
    assert isinstance(column([tracked.changes]), pa.ListArray)


def test_a_window_does_not_change_the_clusters_before_it() -> None:
    first = follow([topic_rows([50] * 4, 0)])[0].clusters
    snapshot = first.snapshot()
    results = [follow([topic_rows([50, 50, 50, 0, 50], 1)], first)[0] for _ in range(2)]
    assert first.snapshot() == snapshot
    assert results[0].clusters.snapshot() == results[1].clusters.snapshot()


def test_another_format_is_refused() -> None:
    snapshot = follow([topic_rows([50] * 4, 0)])[0].clusters.snapshot()
    with pytest.raises(ValueError, match="the clusters have the format 0; only 1 can be read"):
        KeyClusters.from_snapshot(snapshot | {"format": 0})
