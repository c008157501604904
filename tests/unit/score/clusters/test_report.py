"""What the window summary says of clusters."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.items.schemas import CLUSTERS
from dataflow.score.clusters.report import Change, changes, column, nearest_texts, trend
from dataflow.score.clusters.state import KeyClusters


def clusters(sizes: dict[int, int]) -> KeyClusters:
    counts, numbers = np.array(list(sizes.values())), np.array(list(sizes))
    zeros = np.zeros(len(counts))
    return KeyClusters(numbers, counts, zeros, zeros[:, None].astype(np.float32), 9, "m")


@pytest.mark.parametrize(
    ("rows", "total", "rows_before", "total_before", "expected"),
    [
        (200, 1000, 100, 1000, "growing"),
        (100, 1000, 200, 1000, "fading"),
        (100, 1000, 100, 1000, "steady"),
        (1000, 1000, 1000, 1000, "steady"),
        (900, 1000, 600, 1000, "growing"),
        # One row of a few: chance.
        (1, 10, 1, 1000, "steady"),
        (4, 10, 1, 10, "steady"),
        # Significant, but too small to matter.
        (11_000, 100_000, 10_000, 100_000, "steady"),
    ],
)
def test_the_trend(rows: int, total: int, rows_before: int, total_before: int, expected: str) -> None:
    assert trend(rows, total, rows_before, total_before) == expected


@pytest.mark.parametrize("total", [10, 30, 100, 1000])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_chance_alone_is_steady(total: int, share: float) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.binomial(total, share, (4000, 2)).tolist()
    wrong = sum(trend(now, total, before, total) != "steady" for now, before in pairs if before)
    assert wrong <= 0.002 * len(pairs)


def test_each_number_is_in_one_state() -> None:
    now, before = clusters({2: 50, 3: 50, 7: 100}), clusters({1: 100, 2: 50, 3: 250})
    found = changes(now, before, [["a"], ["b"], ["c", "d"]])
    assert [(each.cluster, each.state) for each in found] == [
        (1, "gone"),
        (2, "growing"),
        (3, "fading"),
        (7, "new"),
    ]
    assert [each.share for each in found] == [0, 0.25, 0.25, 0.5]
    assert [each.before for each in found] == [0.25, 0.125, 0.625, 0]
    assert [each.examples for each in found] == [[], ["a"], ["b"], ["c", "d"]]


def test_all_clusters_of_a_first_window_are_new() -> None:
    found = changes(clusters({0: 1, 1: 3}), None, [[], []])
    assert [(each.state, each.share, each.before) for each in found] == [("new", 0.25, 0), ("new", 0.75, 0)]


def test_examples_have_different_texts() -> None:
    texts = pa.array(["far", "near", "near", "next", "other"])
    distances, numbers = np.array([0.9, 0.1, 0.2, 0.3, 0.0]), np.array([1, 1, 1, 1, 2])
    assert nearest_texts(texts, distances, numbers, np.array([1, 2])) == [["near", "next"], ["other"]]


def test_the_column_holds_the_changes() -> None:
    change = Change(3, "growing", 0.5, 0.25, ["a", "b"])
    found = column([[change], []])
    assert found.type == CLUSTERS.type
    assert found.to_pylist() == [[change._asdict()], []]
