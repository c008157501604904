"""The nearest other events of a window, beside a plain computation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.fixed import squared, to_fixed
from dataflow.score.evidence import near as module
from dataflow.score.evidence.near import FAR, near

sizes = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@given(sizes, st.integers(1, 20), st.integers(0, 9))
def test_nearest_other_events_of_each_window(sizes: list[int], width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = to_fixed(rng.integers(-2, 3, (sum(sizes), 4)).astype(np.float32))
    offsets = np.cumsum([0, *sizes])
    found = near(vectors, rng.integers(0, 2**63, sum(sizes), dtype=np.uint64), offsets, width)
    for start, stop in zip(offsets.tolist(), offsets[1:].tolist(), strict=False):
        window = vectors[start:stop]
        for i in range(stop - start):
            others = np.sort(np.delete(squared(window[i : i + 1], window)[0], i))[:width]
            expected = np.full(width, FAR)
            expected[: len(others)] = others
            assert np.array_equal(found.squares[start + i], expected)
            assert found.others[start + i] == stop - start - 1


def test_a_large_window_is_represented_by_the_events_with_the_least_hashes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SAMPLE", 10)
    monkeypatch.setattr(module, "BLOCK", 7)
    rng = np.random.default_rng(1)
    vectors = to_fixed(rng.standard_normal((50, 4)).astype(np.float32))
    ids = rng.permutation(50).astype(np.uint64)
    found = near(vectors, ids, np.array([0, 50]), 3)
    for i in range(50):
        others = [j for j in range(50) if ids[j] < 10 and j != i]
        assert found.others[i] == len(others)
        expected = np.sort(squared(vectors[i : i + 1], vectors[others])[0])[:3]
        assert found.squares[i].tolist() == expected.tolist()
