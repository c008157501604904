"""Lloyd's iterations, beside those of scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from dataflow.score.clusters.lloyd import assign, iterate
from tests.support.batches import unit_vectors


@pytest.mark.parametrize("n", [1, 20, 512, 513, 3000])
def test_each_row_has_its_nearest_centroid(n: int) -> None:
    vectors, centroids = unit_vectors(n), unit_vectors(5, seed=1)
    fit = assign(vectors, centroids)
    squares = ((vectors[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)
    np.testing.assert_array_equal(fit.labels, squares.argmin(axis=1))
    np.testing.assert_allclose(fit.inertia, squares.min(axis=1).sum(), rtol=1e-5)
    np.testing.assert_array_equal(fit.sizes, np.bincount(fit.labels, minlength=5))
    members = [vectors[fit.labels == label].sum(axis=0) for label in range(5)]
    np.testing.assert_allclose(fit.sums, members, atol=1e-3)


def test_a_pass_after_another_adds_up_the_same_sums() -> None:
    vectors, centroids = unit_vectors(2000), unit_vectors(5, seed=1)
    before = assign(vectors, centroids)
    alone, after = assign(vectors, before.means()), assign(vectors, before.means(), before)
    assert (alone.labels != before.labels).any()
    np.testing.assert_array_equal(after.labels, alone.labels)
    np.testing.assert_array_equal(after.sizes, alone.sizes)
    np.testing.assert_allclose(after.sums, alone.sums, atol=1e-4)
    np.testing.assert_allclose(after.inertia, alone.inertia, rtol=1e-6)


def test_rows_far_from_zero_are_told_apart() -> None:
    vectors = unit_vectors(500) + np.float32(300)
    centroids = vectors[:4]
    squares = ((vectors[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)
    np.testing.assert_array_equal(assign(vectors, centroids).labels, squares.argmin(axis=1))


def test_the_iterations_end_where_those_of_scikit_learn_end() -> None:
    vectors, centroids = unit_vectors(3000), unit_vectors(5, seed=1)
    expected = KMeans(5, init=centroids, n_init=1).fit(vectors).inertia_
    assert iterate(vectors, centroids).inertia <= 1.005 * expected


def test_the_most_moves_are_kept() -> None:
    vectors, centroids = unit_vectors(3000), unit_vectors(5, seed=1)
    once = iterate(vectors, centroids, most=1)
    np.testing.assert_allclose(once.centroids, assign(vectors, centroids).means())
