"""Many small windows at once, beside scikit-learn on each of them."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import KMeans

from dataflow.score.scorers.clusters import Clusters, cluster
from dataflow.score.scorers.equal import first_equal
from tests.support.batches import unit_vectors

CLUSTERS, SEED = 4, 42


def clustered(windows: npt.NDArray[np.float32]) -> Clusters:
    first = [first_equal(window, np.array([0, len(window)])) for window in windows]
    return cluster(list(windows), np.stack(first), CLUSTERS, SEED)


def shaped(count: int, events: int) -> npt.NDArray[np.float32]:
    return unit_vectors(count * events).reshape(count, events, -1)


@pytest.mark.parametrize("events", [5, 30, 128])
def test_what_is_certain_equals_scikit_learn(events: int) -> None:
    windows = shaped(40, events)
    found = clustered(windows)
    assert found.certain.mean() > 0.8
    for window, labels, distances, certain in zip(windows, *found, strict=True):
        kmeans = KMeans(CLUSTERS, random_state=SEED).fit(window)
        if certain:
            np.testing.assert_array_equal(labels, kmeans.labels_)
            expected = np.linalg.norm(window - kmeans.cluster_centers_[kmeans.labels_], axis=1)
            np.testing.assert_allclose(distances, expected, atol=1e-6)


def test_windows_do_not_depend_on_each_other() -> None:
    windows = shaped(20, 30)
    together = clustered(windows)
    for number, window in enumerate(windows):
        labels, distances, certain = (array[number] for array in together)
        alone = clustered(window[None])
        assert certain == alone.certain[0]
        if certain:
            np.testing.assert_array_equal(labels, alone.labels[0])
            np.testing.assert_allclose(distances, alone.distances[0], atol=1e-12)


def test_an_event_may_be_at_the_mean() -> None:
    half = unit_vectors(10, seed=2)
    window = np.vstack([half, -half, np.zeros((1, half.shape[1]), np.float32)]) + np.float32(0.1)
    found, expected = clustered(window[None]), KMeans(CLUSTERS, random_state=SEED).fit(window)
    assert not found.certain[0] or found.labels[0].tolist() == expected.labels_.tolist()


def corners() -> npt.NDArray[np.float32]:
    """Events at equal distances: each choice is one between equals."""
    return np.eye(8, dtype=np.float32)


def nearly_equal() -> npt.NDArray[np.float32]:
    """Events that differ in the last bits."""
    return np.nextafter(np.ones((8, 4), np.float32), np.triu(np.full((8, 4), 2, np.float32)))


def between() -> npt.NDArray[np.float32]:
    """Four groups of equal events, and an event in the middle of two of them."""
    groups = np.array([[0, 0], [10, 0], [1000, 0], [0, 1000]], np.float32)
    return np.vstack([np.repeat(groups, 4, axis=0), [[5, 0]]]).astype(np.float32)


@pytest.mark.parametrize("window", [corners(), nearly_equal(), between()], ids=["corners", "bits", "middle"])
def test_a_choice_between_equals_is_not_certain(window: npt.NDArray[np.float32]) -> None:
    assert not clustered(window[None]).certain.any()
