"""Permutations of blocks."""

import numpy as np
import pytest

from dataflow.drift import permutation
from dataflow.drift.blocks import Blocks, cut
from dataflow.drift.permutation import _Pair, permuted
from tests.support.drift import sample


def pair(shift: float = 0.0) -> tuple[Blocks, Blocks]:
    rng = np.random.default_rng(1)
    return cut(*sample(rng, 200), 4), cut(*sample(rng, 90, shift), 4)


@pytest.mark.parametrize("count", [1, 25, 100])
def test_each_permutation_has_as_many_blocks_in_the_second_sample(count: int) -> None:
    of = _Pair(*pair())
    chosen = of.permutation(np.random.default_rng(0), count)
    assert chosen.shape == (count, 50 + 22)
    assert set(chosen.sum(axis=1).tolist()) == {22}
    # Each block is as likely as another one.
    many = of.permutation(np.random.default_rng(0), 4000).mean(axis=0)
    assert many == pytest.approx(22 / 72, abs=5 * np.sqrt(22 / 72 / 4000))


def test_few_and_many_permutations_have_the_same_statistics() -> None:
    """The first ones are computed in another way."""
    of = _Pair(*pair(0.3))
    chosen = of.permutation(np.random.default_rng(0), 60)
    parts = np.concatenate([of.statistics(chosen[at : at + 20]) for at in (0, 20, 40)])
    assert of.statistics(chosen) == pytest.approx(parts, rel=1e-12)


@pytest.mark.parametrize("rows", [90, 20_000])
def test_lengths_are_those_of_centred_blocks(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their integers are small, they are found without centring the blocks."""
    rng = np.random.default_rng(2)
    both = cut(*sample(rng, 200), 4), cut(*sample(rng, rows))
    found = _Pair(*both)._squares
    for exact in (0, np.inf):
        monkeypatch.setattr(permutation, "_EXACT", exact)
        assert _Pair(*both)._squares == pytest.approx(found, rel=1e-12)
    counts = np.concatenate([each.counts for each in both]).astype(object)
    sums = np.concatenate([each.sums for each in both]).astype(object)
    centred = sums * counts.sum() - counts[:, None] * sums.sum(axis=0)
    assert found[:, 0] == pytest.approx((centred**2).sum(axis=1).astype(float), rel=1e-12)


@pytest.mark.parametrize("rows", [91, 200_003])
@pytest.mark.parametrize("repeated", [1, 2])
def test_equal_blocks_have_no_length(rows: int, repeated: int) -> None:
    """Equal lines, or lines that take turns: then the mean is no vector of integers."""
    vectors = np.array([[3998, 1, 7], [3999, 0, 2]], np.int16)[:repeated]
    both = []
    for n in (201 // repeated * repeated, rows // repeated * repeated):
        lines = np.tile(vectors, (n // repeated, 1))
        both.append(cut(lines, np.arange(n) % repeated, length=2, most=n))
    pair = _Pair(*both)
    assert not pair._squares.any()
    assert not pair.statistics(pair.permutation(np.random.default_rng(0), 20)).any()


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_how_many_permutations_come_first_changes_no_p_value(
    shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for first in (1, 5, 25):
        monkeypatch.setattr(permutation, "_FIRST", first)
        found.append(permuted(*pair(shift), inflation=1.0, seed=4, most=999))
    assert len({(each.centroid, tuple(each.clusters), each.lowest, each.draws) for each in found}) == 1
