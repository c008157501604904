"""A window beside an earlier one, and beside a reference."""

import numpy as np
import numpy.typing as npt
import pytest

from dataflow.drift import comparison
from dataflow.drift.blocks import Blocks, cut
from dataflow.drift.comparison import (
    Sample,
    beside_reference,
    seed_of,
)
from dataflow.drift.dependence import Dependence
from dataflow.drift.permutation import permuted
from dataflow.drift.shares import share_p_values
from dataflow.drift.simulation import Doubles, Simulated
from tests.support.drift import BOTH, SINGLE, Compare, reference, repeated, sample

RUNS = 80


def slow(before: Blocks, now: Blocks, most: int) -> tuple[float, list[float]]:
    """The p-values, permutation by permutation. The permutations are those of the same seed."""
    sums = np.concatenate([before.sums, now.sums]).astype(float)
    members = np.concatenate([before.members, now.members]).astype(float)
    counts = np.concatenate([before.counts, now.counts])
    observed = np.arange(len(counts)) >= len(before.counts)

    def ratio(rows: Doubles, chosen: npt.NDArray[np.bool_]) -> float:
        mean = rows.sum(axis=0) / counts.sum()
        centred = rows - counts[:, None] * mean
        parts = [(centred[side], counts[side].sum()) for side in (chosen, ~chosen)]
        difference = parts[0][0].sum(axis=0) / parts[0][1] - parts[1][0].sum(axis=0) / parts[1][1]
        variance = sum((part**2).sum() / n**2 for part, n in parts)
        return float((difference**2).sum() / variance)

    def all_ratios(chosen: npt.NDArray[np.bool_]) -> list[float]:
        return [ratio(sums, chosen), *(ratio(members[:, [c]], chosen) for c in range(members.shape[1]))]

    places = np.random.default_rng(3).random((most, len(counts))).argsort(axis=1).argsort(axis=1)
    draws = places < len(now.counts)
    drawn = np.array([all_ratios(chosen) for chosen in draws])
    drawn[:, 1:] = drawn[:, 1:].max(axis=1, keepdims=True)
    p = (1 + (drawn >= np.array(all_ratios(observed)) - 1e-9).sum(axis=0)) / (1 + most)
    return float(p[0]), p[1:].tolist()


@pytest.mark.parametrize(("rows", "shift"), [((40, 40), 0.0), ((100, 37), 0.3), ((150, 90), 0.5)])
def test_a_permutation_equals_its_definition(rows: tuple[int, int], shift: float) -> None:
    rng = np.random.default_rng(rows[0])
    before, now = cut(*sample(rng, rows[0]), 3), cut(*sample(rng, rows[1], shift), 3)
    found = permuted(before, now, inflation=1.0, seed=3, most=99)
    assert (found.centroid, found.clusters.tolist()) == slow(before, now, 99)


@BOTH
@pytest.mark.parametrize("rows", [30, 100])
def test_p_values_are_uniform_without_drift(compare: Compare, rows: int) -> None:
    found = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        comparison = compare(sample(rng, 100), sample(rng, rows), seed=seed)
        assert comparison
        found.append((comparison.p_centroid, comparison.p_clusters))
    for level in (0.05, 0.2, 0.5):
        shares = (np.array(found) <= level).mean(axis=0)
        assert shares.max() <= level + 3 * np.sqrt(level / RUNS)
        assert shares[0] >= level - 3.5 * np.sqrt(level / RUNS)


@BOTH
def test_repetition_is_no_drift(compare: Compare) -> None:
    def alarms(blocks: Dependence) -> float:
        found = []
        for seed in range(RUNS):
            rng = np.random.default_rng(seed)
            past = sample(rng, 400) if compare is reference else repeated(rng, 240, 8)
            comparison = compare(past, repeated(rng, 240, 8), blocks, seed=seed)
            assert comparison
            found.append(min(comparison.p_centroid, comparison.p_clusters) <= 0.025)
        return float(np.mean(found))

    assert alarms(Dependence(16, 1.3)) <= 0.1
    assert alarms(SINGLE) >= 0.5


@BOTH
def test_a_shift_is_found_and_its_cluster_named(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    found = compare(sample(rng, 400), sample(rng, 400, shift=0.6))
    assert found
    assert found.p_centroid == found.p_clusters == 1 / 200
    assert {(change.cluster, change.kind) for change in found.changes} == {(0, "faded"), (1, "grew")}
    assert found.distance > 0.1
    assert found.draws == 199


@BOTH
def test_new_and_gone_clusters(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    before, now = sample(rng, 400), sample(rng, 400)
    found = compare(
        before._replace(clusters=np.arange(400) % 2), now._replace(clusters=np.arange(400) % 2 * 8)
    )
    assert found
    changed = {change.cluster: (change.kind, change.before, change.now) for change in found.changes}
    assert changed == {0: ("grew", 0.5, 0.5), 1: ("gone", 0.5, 0.0), 8: ("new", 0.0, 0.5)}
    assert {change.cluster for change in found.changes if change.p_value <= 0.01} == {1, 8}


@BOTH
@pytest.mark.parametrize("rows", [(0, 0), (0, 200), (200, 0), (1, 1), (9, 200), (200, 9)])
def test_too_few_rows_have_no_p_value(compare: Compare, rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    assert compare(sample(rng, rows[0]), sample(rng, rows[1])) is None


@BOTH
def test_too_few_blocks_have_no_p_value(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    before, now = sample(rng, 300), sample(rng, 300)
    assert compare(before, now, Dependence(32, 1.0)) is None
    assert compare(before, now, None) is None
    assert compare(before, now, Dependence(16, 1.0)) is not None


@BOTH
def test_equal_rows_are_no_drift(compare: Compare) -> None:
    rows = Sample(np.full((130, 4), 2000, np.int16), np.zeros(130, np.int64))
    found = compare(rows, Sample(rows.vectors[:70], np.zeros(70)))
    assert found
    assert (found.p_centroid, found.p_clusters, found.distance) == (1.0, 1.0, 0.0)


def test_a_large_window_is_compared_with_a_small_reference() -> None:
    """A block of the window has more rows than the reference has for each block."""
    values = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        found = beside_reference(sample(rng, 300), cut(*sample(rng, 5000)), SINGLE, seed=seed, most=199)
        assert found
        values.append((found.p_centroid, found.p_clusters))
    assert (np.array(values) <= 0.1).mean(axis=0).max() <= 0.1 + 3 * np.sqrt(0.1 / RUNS)


def test_a_cluster_in_bursts_is_not_gone_if_a_window_has_none() -> None:
    p, _, _ = share_p_values(np.array([950, 50]), np.array([500, 0]), worth=20, seed=0, most=999)
    assert p.min() > 0.2
    p, _, _ = share_p_values(np.array([500, 500]), np.array([500, 0]), worth=20, seed=0, most=999)
    assert p.max() < 0.01


def test_a_seed_depends_on_the_key_and_on_the_end() -> None:
    seeds = {seed_of(key, end) for key in ("a", "b", "1 a") for end in (1, 11, 111)}
    assert len(seeds) == 9
    assert seed_of("a", 1) == seed_of("a", 1)


def test_the_inflation_raises_p_values() -> None:
    rng = np.random.default_rng(4)
    pair = (cut(*sample(rng, 60), 1, 999), cut(*sample(rng, 60, 0.35), 1, 999))
    plain, inflated = (
        permuted(*pair, inflation=inflation, seed=0, most=999).centroid for inflation in (1.0, 2.0)
    )
    assert plain < 0.5 * inflated < 1


def test_a_window_is_worth_fewer_rows_beside_a_reference_if_its_blocks_depend_on_each_other() -> None:
    rng = np.random.default_rng(5)
    before, now = sample(rng, 1000), sample(rng, 100, 0.7)
    found = [reference(before, now, Dependence(1, inflation)) for inflation in (1.0, 4.0)]
    p_values = [each.p_clusters for each in found if each is not None]
    assert p_values[0] < 0.5 * p_values[1]


def test_a_reference_of_a_short_past_is_not_compared() -> None:
    """100 rows of a reference stand for 800 if blocks have 40 rows, so there must be so many events."""
    rng = np.random.default_rng(6)
    before, now = sample(rng, 100), cut(*sample(rng, 800), 40, 999)
    found = [
        beside_reference(before, now, Dependence(40, 1.0), seed=0, most=99, events=events)
        for events in (799, 800)
    ]
    assert [each is None for each in found] == [True, False]


def test_the_lowest_p_value_may_be_that_of_the_shares_of_the_whole_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(7)
    before, now = sample(rng, 1000), sample(rng, 300)
    tails = Simulated(np.array([0.5, 0.5]), np.array([0.5, 1e-12]), 99)
    monkeypatch.setattr(comparison, "share_p_values", lambda *_, **__: tails)
    found = reference(before, now)
    assert found is not None
    assert found.lowest == 1e-12


def test_a_cluster_in_bursts_alarms_by_the_shares_alone() -> None:
    """A permutation of blocks takes the absence of such a cluster from a window for certain."""
    past = Sample(np.full((1000, 4), 2000, np.int16), np.arange(1000) % 20 == 0)
    now = cut(np.full((320, 4), 2000, np.int16), np.zeros(320), length=32)
    found = beside_reference(past, now, Dependence(32, 1.0), seed=0)
    assert found is not None
    assert found.p_centroid == 1
    assert found.lowest == found.p_clusters > 0.2
