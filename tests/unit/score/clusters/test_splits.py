"""Splits and merges of clusters."""

import numpy as np
import pytest

from dataflow.score.clusters.fit import fit_warm
from dataflow.score.clusters.lloyd import assign, iterate
from dataflow.score.clusters.splits import improve, split, ward
from tests.support.topics import topic_rows, topics_of


def test_the_cost_of_a_merge_is_the_inertia_that_it_adds() -> None:
    vectors = topic_rows([10, 20], seed=0)
    is_first = np.array(topics_of(vectors)) == 0
    parts = [vectors[is_first], vectors[~is_first]]
    means = np.stack([part.mean(axis=0, dtype=np.float64) for part in parts])
    apart = sum(((part - mean) ** 2).sum() for part, mean in zip(parts, means, strict=True))
    together = ((vectors - vectors.mean(axis=0, dtype=np.float64)) ** 2).sum()
    assert ward([10, 20], means)[0, 1] == pytest.approx(together - apart, rel=1e-6)


def test_a_split_finds_two_topics() -> None:
    vectors = topic_rows([100, 300], seed=0)
    gain, means = split(vectors)
    assert sorted(means.argmax(axis=1).tolist()) == [0, 1]
    before, after = assign(vectors, [vectors.mean(axis=0)]).inertia, assign(vectors, means).inertia
    assert gain == pytest.approx(before - after, rel=0.02)


@pytest.mark.parametrize("rows", [1, 7])
def test_equal_rows_have_nothing_to_split(rows: int) -> None:
    gain, means = split(np.full((rows, 3), 0.7, np.float32))
    assert gain == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(means, 0.7, rtol=1e-6)


def test_a_good_optimum_stays() -> None:
    vectors = topic_rows([50, 50, 50], seed=0)
    assert improve(vectors, iterate(vectors, np.eye(16)[:3]), 3, 1e-3) is None


def test_a_topic_that_vanishes_gives_its_centroid_to_a_new_topic() -> None:
    """The plain warm start stays where two topics share a centroid."""
    vectors = topic_rows([0, 60, 60, 60, 60], seed=0)
    vectors[vectors[:, 4] > 0.5, 1] += 0.8
    start = np.eye(16)[:4]
    stuck, warm = iterate(vectors, start), fit_warm(vectors, start, 4, seed=0)
    assert sorted(warm.centroids.argmax(axis=1).tolist()) == [1, 2, 3, 4]
    assert warm.inertia < 0.5 * stuck.inertia


def test_missing_and_empty_clusters_are_filled() -> None:
    vectors = topic_rows([40, 40, 40, 40], seed=0)
    for start in (np.eye(16)[:1], np.concatenate([np.eye(16)[:2], -np.eye(16)[:2]])):
        fit = fit_warm(vectors, start, 4, seed=0)
        assert sorted(fit.centroids.argmax(axis=1).tolist()) == [0, 1, 2, 3]
        assert fit.sizes.tolist() == [40] * 4


@pytest.mark.parametrize("clusters", [1, 2])
def test_few_clusters_have_no_pair_to_merge(clusters: int) -> None:
    vectors = topic_rows([30, 30, 30], seed=0)
    assert len(fit_warm(vectors, np.eye(16)[:clusters], clusters, seed=0).centroids) == clusters
