"""Permutations of blocks."""

import numpy as np
import pytest

from dataflow.drift.blocks import Blocks, cut
from dataflow.drift.permutation import _Pair
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
