"""Clusters whose shares are compared."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.drift import clustering
from dataflow.drift.clustering import Known, assign, fit
from dataflow.items.drift import Past
from dataflow.items.fixed import LENGTH, to_fixed


def test_clusters_that_lie_apart_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=400)
    vectors = to_fixed((10 * np.eye(6)[truth] + rng.normal(size=(400, 6))).astype(np.float32))
    found = assign(vectors, fit(vectors, 4, seed=1)).clusters
    pairs = set(zip(truth.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 4


@pytest.mark.parametrize("count", [1, 3, 8])
def test_equal_events_are_one_cluster(count: int) -> None:
    vectors = np.full((20, 4), 2000, np.int16)
    centroids = fit(vectors, count, seed=0)
    assert len(centroids) == 1
    found = assign(vectors, centroids)
    assert found.inertia == 0
    assert found.clusters.tolist() == [0] * 20


def test_the_place_of_an_event_does_not_change_its_cluster() -> None:
    rng = np.random.default_rng(0)
    vectors = to_fixed(rng.normal(size=(10_000, 8)).astype(np.float32))
    centroids, order = fit(vectors[:1000], 8, seed=3), rng.permutation(10_000)
    whole = assign(vectors, centroids)
    assert (assign(vectors[order], centroids).clusters == whole.clusters[order]).all()
    plain = ((vectors[:, None].astype(np.int64) - centroids) ** 2).sum(axis=2)
    assert (plain.argmin(axis=1) == whole.clusters).all()
    assert whole.inertia == pytest.approx(plain.min(axis=1).mean() / LENGTH**2)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sets(st.integers(0, 39), min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_clusters_that_are_known_are_those_of_a_comparison(windows: list[tuple[str, str, set[int]]]) -> None:
    """Whatever events a sample has, and whatever pool and centroids come next."""
    rng = np.random.default_rng(0)
    vectors = {name: to_fixed(rng.normal(size=(40, 5)).astype(np.float32)) for name in "abxy"}
    known = Known()
    for pool, centroids, rows in windows:
        past = Past(vectors[pool], np.empty(40, np.object_), np.array(sorted(rows)))
        found = known.of(past, vectors[centroids][:4])
        assert found.tolist() == assign(past.vectors, vectors[centroids][:4]).clusters.tolist()


def test_a_pool_that_is_gone_is_not_kept() -> None:
    pool = to_fixed(np.eye(3, dtype=np.float32))
    gone, known = weakref.ref(pool), Known()
    known.of(Past(pool, np.empty(3, np.object_), np.arange(3)), pool[:2].copy())
    del pool
    assert gone() is None


@pytest.mark.parametrize("rows", [1, 50, 4096, 9000])
def test_a_fit_is_that_of_plain_k_means(rows: int) -> None:
    """Step by step with exact distances and means, from the same seeds."""
    rng = np.random.default_rng(rows)
    vectors = to_fixed(rng.normal(loc=[3, 0, 0, 0], size=(rows, 4)).astype(np.float32))
    centroids, before = clustering._seeds(vectors, 5, 7), None
    for _ in range(20):
        clusters = assign(vectors, centroids).clusters
        if before is not None and (clusters == before).all():
            break
        before, means = clusters, centroids.astype(np.float32)
        for cluster in set(clusters.tolist()):
            means[cluster] = vectors[clusters == cluster].mean(axis=0, dtype=np.float64)
        centroids = to_fixed(means)
    assert fit(vectors, 5, 7).tolist() == centroids.tolist()


def test_totals_of_many_events_are_exact() -> None:
    """Float32 alone would round them."""
    vectors = np.random.default_rng(0).integers(3900, LENGTH, (9001, 3)).astype(np.int16)
    clusters = np.arange(9001) % 9 // 8
    totals = clustering._totals(vectors.astype(np.float32), clusters, 3)
    expected = [vectors[clusters == cluster].sum(axis=0, dtype=np.int64).tolist() for cluster in range(3)]
    assert totals.tolist() == expected
