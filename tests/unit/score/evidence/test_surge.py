"""Surge, beside the Poisson distribution of SciPy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from dataflow.score.evidence.near import FAR, Near
from dataflow.score.evidence.surge import COUNTS, surge


@given(st.lists(st.integers(0, 500), min_size=4, max_size=4), st.integers(500, 2000), st.integers(0, 300))
def test_surge_is_the_largest_surprise(alike: list[int], rows: int, others: int) -> None:
    squares = np.full((1, 16), FAR, np.int32)
    squares[0, :others] = 0
    surprises = [
        -poisson.logsf(k - 1, (c + 0.5) / (rows + 1) * others) / np.log(10)
        for k, c in zip(COUNTS, alike, strict=True)
        if k <= others
    ]
    found = surge(Near(squares, np.array([others])), np.array([alike]), rows)
    assert np.allclose(found, max([0.0, *surprises]), rtol=1e-6)


def test_more_events_like_this_in_the_reference_are_less_surprising() -> None:
    near = Near(np.zeros((3, 16), np.int32), np.full(3, 50))
    few, some, many = surge(near, np.array([[0] * 4, [10] * 4, [200] * 4]), 1000)
    assert few > some > many
