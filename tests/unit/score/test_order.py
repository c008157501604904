"""The order of the emissions of a key group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.score.order import EmissionOrder


@given(st.lists(st.permutations(range(4)), max_size=5))
def test_items_come_in_the_order_of_their_emissions(epochs: list[list[int]]) -> None:
    """All emissions of an epoch come before its snapshot."""
    order, found = EmissionOrder[str](), list[str]()
    for epoch, places in enumerate(epochs):
        for place in places:
            number = 4 * epoch + place
            found += order.take(number, f"item {number}")
        order = EmissionOrder(order.snapshot())
    assert found == [f"item {number}" for number in range(4 * len(epochs))]


def test_an_emission_that_did_not_come_stops_the_flow() -> None:
    order = EmissionOrder[str](5)
    assert order.take(6, "") == []
    with pytest.raises(LostRowsError, match="emission 5 of a key group did not come"):
        order.snapshot()
    order.take(5, "")
    assert order.snapshot() == 7
