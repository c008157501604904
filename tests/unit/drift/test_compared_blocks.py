"""Which blocks are compared, in which order changes are, and which windows need no description."""

from typing import Any

import numpy as np
import pytest

from dataflow.drift import comparison
from dataflow.drift.blocks import Blocks, cut
from dataflow.drift.comparison import (
    Change,
    Comparison,
    Sample,
    beside_reference,
    beside_window,
    by_certainty,
)
from dataflow.drift.permutation import Found, permuted
from tests.support.drift import BOTH, SINGLE, Compare, reference, sample


@BOTH
@pytest.mark.parametrize(("shift", "alarms"), [(0.0, False), (1.5, True)])
def test_a_window_that_cannot_alarm_is_not_described(compare: Compare, shift: float, alarms: bool) -> None:
    rng = np.random.default_rng(9)
    before, now = sample(rng, 300), sample(rng, 200, shift)
    blocks = cut(*now, 1, 999)

    def beside(alarming: float) -> Comparison | None:
        if compare is reference:
            return beside_reference(before, blocks, SINGLE, seed=0, alarming=alarming)
        return beside_window(cut(*before, 1, 999), blocks, SINGLE, seed=0, alarming=alarming)

    found = beside(1e-3)
    assert found is not None
    assert (found.lowest <= 1e-3) == alarms
    assert (len(found.changes), np.isnan(found.distance)) == ((2, False) if alarms else (0, True))
    if alarms:
        assert found == beside(1.0)


def test_of_equally_certain_changes_the_largest_comes_first() -> None:
    changes = [Change(4, 0.5, 0.6, 0.01), Change(3, 0.5, 0.7, 0.02), Change(1, 0.5, 0.9, 0.02)]
    changes += [Change(2, 0.5, 0.7, 0.02)]
    assert [change.cluster for change in sorted(changes, key=by_certainty)] == [4, 1, 2, 3]


@pytest.mark.parametrize(("before", "now"), [(1, 1), (4, 1), (1, 4)])
def test_windows_are_compared_in_the_longest_blocks(before: int, now: int) -> None:
    rng = np.random.default_rng(0)
    pair = cut(*sample(rng, 100), before, 999), cut(*sample(rng, 90), now, 999)
    found = beside_window(*pair, SINGLE, seed=0, most=99)
    assert found is not None
    assert found.block_rows == max(before, now)


@BOTH
def test_ten_blocks_of_each_sample_are_enough(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    assert compare(sample(rng, 10), sample(rng, 10)) is not None


def test_a_reference_with_enough_rows_is_compared_however_short_the_past_is() -> None:
    rng = np.random.default_rng(0)
    before, now = sample(rng, 400), cut(*sample(rng, 100), 1, 999)
    assert beside_reference(before, now, SINGLE, seed=0, most=99, events=0) is not None


def test_256_blocks_of_a_reference_are_exchanged_and_all_its_rows_have_shares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def noted(before: Blocks, now: Blocks, **options: Any) -> Found:
        sizes.append(len(before.counts))
        return permuted(before, now, **options)

    monkeypatch.setattr(comparison, "permuted", noted)
    rng = np.random.default_rng(0)
    before, now = sample(rng, 1000), sample(rng, 100)
    # The rows that are exchanged are all of one cluster.
    is_kept = np.isin(np.arange(1000), np.arange(256) * 1000 // 256)
    found = reference(before._replace(clusters=is_kept.astype(int)), now)
    assert found is not None
    assert sizes == [256]
    assert {change.cluster: change.before for change in found.changes} == {0: 0.744, 1: 0.256}


def test_a_row_of_a_small_reference_stands_for_several_rows() -> None:
    rows = Sample(np.full((300, 4), 2000, np.int16), np.zeros(300, np.int64))
    found = beside_reference(rows, cut(np.full((5000, 4), 2000, np.int16), np.zeros(5000)), SINGLE, seed=0)
    assert found is not None
    assert (found.block_rows, found.p_centroid, found.p_clusters, found.distance) == (128, 1.0, 1.0, 0.0)
