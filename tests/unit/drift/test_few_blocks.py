"""A window with few blocks beside a reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f

from dataflow.drift import comparison
from dataflow.drift.blocks import cut
from dataflow.drift.comparison import beside_reference, of_few_blocks
from dataflow.drift.dependence import Dependence
from tests.support.drift import sample


def test_few_blocks_of_dependent_events_are_less_certain_beside_a_reference() -> None:
    rng = np.random.default_rng(8)
    past, rows = sample(rng, 2000), sample(rng, 640, 0.8)
    plain = beside_reference(past, cut(*rows), Dependence(16, 1.0), seed=0)
    longer = beside_reference(past, cut(*rows), Dependence(32, 1.0), seed=0)
    assert plain is not None
    assert longer is not None
    assert plain.lowest < plain.p_centroid == longer.p_centroid == 1e-4
    # The shares of clusters are far less certain.
    assert plain.lowest < 1e-3 * longer.lowest


@pytest.mark.parametrize(
    ("asked", "length", "freedom"),
    # If events do not depend on each other, a window of 640 has 40 blocks of 16.
    [(None, 1, []), (None, 16, []), (None, 32, [19]), (16, 16, []), (32, 32, [19]), (None, 64, [9])],
)
def test_blocks_are_few_if_events_depend_on_each_other(
    asked: int | None, length: int, freedom: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the length of blocks was learnt or is a setting."""
    found: list[int] = []

    def note(p_value: float, freedom: int) -> float:
        found.append(freedom)
        return p_value

    monkeypatch.setattr(comparison, "of_few_blocks", note)
    rng = np.random.default_rng(8)
    beside_reference(sample(rng, 2000), cut(*sample(rng, 640), asked), Dependence(length, 1.0), seed=0)
    assert found == freedom


@given(st.floats(1e-12, 1), st.integers(1, 200))
def test_few_blocks_only_raise_p_values(p_value: float, freedom: int) -> None:
    found = of_few_blocks(p_value, freedom)
    assert p_value * (1 - 1e-9) <= of_few_blocks(p_value, 2 * freedom) * (1 - 1e-12) <= found <= 1
    assert of_few_blocks(p_value, 10**9) == pytest.approx(p_value, rel=1e-5)
    # An F distribution with 2 and ``freedom`` degrees.
    assert found == pytest.approx(f.sf(-np.log(p_value), 2, freedom))
