"""The order of what a key group sends."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.score.order import ArrivalOrder, EmissionOrder


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


@given(st.lists(st.lists(st.booleans(), max_size=8), max_size=4), st.randoms())
def test_emissions_and_arrivals_come_in_the_order_in_which_they_were_sent(
    epochs: list[list[bool]], rng: random.Random
) -> None:
    """``True``: an emission. All items of an epoch come before its snapshot, in any order."""
    order, sent, found, counts = ArrivalOrder[str](), list[str](), list[str](), [0, 0]
    for epoch in epochs:
        items: list[tuple[bool, int, int, str]] = []
        for is_emission in epoch:
            items.append((is_emission, counts[0], counts[1], f"item {len(sent)}"))
            sent.append(f"item {len(sent)}")
            counts[0 if is_emission else 1] += 1
        rng.shuffle(items)
        for is_emission, emissions, arrivals, item in items:
            if is_emission:
                found += order.emitted(emissions, arrivals, item)
            else:
                found += order.arrived(arrivals, emissions, item)
        assert found == sent
        order = ArrivalOrder(order.snapshot())


def test_an_item_that_did_not_come_stops_the_flow() -> None:
    order = ArrivalOrder[str]((5, 2))
    assert order.emitted(5, 3, "after") == []
    with pytest.raises(LostRowsError, match="emission 5 of a key group did not come"):
        order.snapshot()
    assert order.arrived(2, 5, "before") == ["before", "after"]
    assert order.snapshot() == (6, 3)
