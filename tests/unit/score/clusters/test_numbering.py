"""Cluster numbers keep their meaning."""

import numpy as np
import numpy.typing as npt
import pytest

from dataflow.score.clusters.numbering import continued
from dataflow.score.clusters.state import KeyClusters


def clusters(centroids: npt.ArrayLike, sizes: npt.ArrayLike, spread: float) -> KeyClusters:
    places = np.array(centroids, np.float32).reshape(-1, 1)
    numbers = np.arange(len(places))
    return KeyClusters(numbers, np.array(sizes), np.full(len(places), spread), places, len(places), "m")


def follow(old: KeyClusters, new: KeyClusters) -> list[int]:
    found: list[int] = continued(old, new.sizes, new.spreads, new.centroids).tolist()
    return found


def test_the_order_does_not_matter() -> None:
    old, new = clusters([0, 10, 20], [9] * 3, 0), clusters([21, 1, 9], [9] * 3, 0)
    assert follow(old, new) == [2, 0, 1]


@pytest.mark.parametrize(("place", "found"), [(2.4, 0), (2.6, 1), (-2.4, 0), (-2.6, -1), (7.6, -1)])
def test_a_cluster_moves_at_most_half_the_way_to_the_next(place: float, found: int) -> None:
    assert follow(clusters([0, 5], [900, 900], 0), clusters([place], [900], 0)) == [found]


@pytest.mark.parametrize(("place", "found"), [(0.9, 0), (1.1, -1)])
def test_a_cluster_that_was_alone_moves_at_most_its_radius(place: float, found: int) -> None:
    assert follow(clusters([0], [10_000], 1), clusters([place], [10_000], 1)) == [found]


def test_chance_moves_small_clusters_farther_than_large_ones() -> None:
    for rows, found in ((3, [0, 1]), (300, [-1, 1])):
        old, new = clusters([0, 1], [rows] * 2, 1), clusters([-0.9, 1], [rows] * 2, 1)
        assert follow(old, new) == found


def test_of_two_near_clusters_the_nearer_one_continues() -> None:
    assert follow(clusters([0, 10], [9, 9], 0), clusters([2, -1], [9, 9], 0)) == [-1, 0]


def test_clusters_of_one_row_each_have_no_spread() -> None:
    assert follow(clusters([0, 10], [1, 1], 0), clusters([0, 20], [1, 1], 0)) == [0, -1]
