"""Samples depend on ids and times alone, and old events are less likely to be in them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.hashes import hashes
from dataflow.score.evidence.members import priorities, sampled

IDS = hashes(pa.array([f"event {i}" for i in range(20_000)]))


@given(st.permutations(range(40)), st.integers(1, 50), st.integers(1, 39))
def test_a_sample_of_samples_is_the_sample_of_all(order: list[int], rows: int, cut: int) -> None:
    priority = priorities(IDS[:40], np.arange(40) * 1000, 10_000)
    whole = set(np.flatnonzero(sampled(priority, rows)).tolist())
    first = [i for i, stays in zip(order[:cut], sampled(priority[order[:cut]], rows), strict=True) if stays]
    both = [*first, *order[cut:]]
    assert {i for i, stays in zip(both, sampled(priority[both], rows), strict=True) if stays} == whole


def test_an_event_that_is_a_half_life_older_is_half_as_likely() -> None:
    ts = np.repeat([0, 1_000_000, 2_000_000], len(IDS) // 3)
    stays = sampled(priorities(IDS[: len(ts)], ts, 1_000_000), 1400)
    counts = [int(stays[ts == at].sum()) for at in (0, 1_000_000, 2_000_000)]
    assert np.allclose(counts, [200, 400, 800], rtol=0.15)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 31))
def test_the_first_of_equal_priorities_are_sampled(priorities: list[int], rows: int) -> None:
    order = np.argsort(np.array(priorities, float), kind="stable")[:rows]
    assert np.flatnonzero(sampled(np.array(priorities, float), rows)).tolist() == sorted(order.tolist())
