"""Clusters whose shares are compared."""

import numpy as np
import pytest

from dataflow.drift.clustering import assign, fit
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
