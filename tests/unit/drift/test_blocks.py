"""Samples as sums over blocks."""

import numpy as np
import pytest

from dataflow.drift.blocks import MOST, cut, joined, with_clusters
from dataflow.items.fixed import LENGTH
from tests.support.drift import sample


@pytest.mark.parametrize("rows", [0, 1, 2, MOST, MOST + 1, 2 * MOST + 1, 1000])
@pytest.mark.parametrize("length", [None, 1, 3, 8])
def test_no_row_is_left_out(rows: int, length: int | None) -> None:
    vectors, clusters, _ = sample(np.random.default_rng(rows), rows)
    blocks = cut(vectors, clusters, length=length, most=rows + 1 if length else MOST)
    assert blocks.sums.sum(axis=0).tolist() == vectors.sum(axis=0, dtype=np.int64).tolist()
    assert blocks.counts.sum() == rows == blocks.members.sum()
    assert dict(zip(blocks.clusters, blocks.members.sum(axis=0), strict=True)) == {
        cluster: count for cluster in (0, 1) if (count := int((np.asarray(clusters) == cluster).sum()))
    }


@pytest.mark.parametrize("rows", range(1, 600, 7))
def test_lengths_are_the_lowest_powers_of_two(rows: int) -> None:
    blocks = cut(*sample(np.random.default_rng(0), rows))
    assert len(blocks.counts) <= MOST
    assert blocks.length == 1 or rows // (blocks.length // 2) > MOST
    assert bin(blocks.length).count("1") == 1
    assert blocks.counts.min() >= min(blocks.length, rows)


@pytest.mark.parametrize("rows", [100, 130, 999])
def test_joined_blocks_hold_the_same_rows(rows: int) -> None:
    blocks = cut(*sample(np.random.default_rng(0), rows))
    for times in (1, 2, 8, 1024):
        found = joined(blocks, times * blocks.length)
        assert found.length == times * blocks.length
        assert found.counts.min() >= min(found.length, rows)
        assert np.ptp(found.counts) <= 2 * blocks.counts.max()
        for whole, parts in zip(blocks[1:3] + blocks[4:], found[1:3] + found[4:], strict=True):
            assert parts.sum(axis=0).tolist() == whole.sum(axis=0).tolist()


def test_blocks_that_are_left_out_lie_evenly() -> None:
    vectors = np.arange(100, dtype=np.int16)[:, None]
    blocks = cut(vectors, np.zeros(100), length=5, most=4)
    assert blocks.counts.tolist() == [5, 5, 5, 5]
    assert (blocks.sums[:, 0] // 5).tolist() == [2, 27, 52, 77]


def test_a_cluster_without_rows_has_an_empty_column() -> None:
    blocks = with_clusters(cut(np.eye(2, dtype=np.int16), [5, 2], length=1), np.array([2, 4, 5]))
    assert blocks.members.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("rows", [1, 64, 100, 129, 1000, 5000])
@pytest.mark.parametrize(("length", "most"), [(None, MOST), (1, 9), (3, 5000), (7, 4), (600, 64)])
def test_blocks_are_sums_of_rows_that_follow_each_other(rows: int, length: int | None, most: int) -> None:
    """Few long blocks and many short ones are added up in different ways."""
    vectors, clusters, _ = sample(np.random.default_rng(rows), rows)
    labels, blocks = np.asarray(clusters), cut(vectors, clusters, length=length, most=most)
    if len(blocks.counts) == 1:
        starts = [0]
    else:
        count = rows // blocks.length
        starts = [i * count // len(blocks.counts) * rows // count for i in range(len(blocks.counts))]
    for start, count, sums, members in zip(starts, blocks.counts, blocks.sums, blocks.members, strict=True):
        some = slice(start, start + count)
        assert sums.tolist() == vectors[some].sum(axis=0, dtype=np.int64).tolist()
        assert members.tolist() == [int((labels[some] == cluster).sum()) for cluster in blocks.clusters]


@pytest.mark.parametrize("length", [1, 8, 9, 20, 700])
def test_sums_of_the_largest_components_are_exact(length: int) -> None:
    """They do not fit into 16 bits. Few long blocks and many short ones are added up in different ways."""
    for component in (LENGTH, -LENGTH):
        blocks = cut(np.full((1400, 2), component, np.int16), np.zeros(1400), length=length, most=1400)
        assert blocks.sums.tolist() == [[component * count] * 2 for count in blocks.counts.tolist()]


@pytest.mark.parametrize(("length", "most"), [(None, MOST), (1, 9), (3, 5000), (7, 4), (200, 64)])
def test_a_sample_of_some_rows_is_cut_as_if_there_were_no_others(length: int | None, most: int) -> None:
    rng = np.random.default_rng(2)
    vectors, clusters, _ = sample(rng, 1500)
    rows = rng.permutation(1500)[:600]
    some = np.asarray(clusters)[rows]
    found = cut(vectors, some, rows, length, most)
    alone = cut(vectors[rows], some, length=length, most=most)
    assert [np.asarray(each).tolist() for each in found] == [np.asarray(each).tolist() for each in alone]
