"""Objects that gauges describe for as long as the objects live."""

import math
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from dataflow.telemetry.live_objects import LiveObjects, known


class Thing:
    """An object with a number."""

    def __init__(self, number: int) -> None:
        self.number = number


def test_an_object_is_forgotten_when_it_dies() -> None:
    living: LiveObjects[Thing] = LiveObjects()
    kept, gone = living.add(Thing(1)), living.add(Thing(2))
    assert sorted(thing.number for thing in living) == [1, 2]
    del gone
    assert list(living) == [kept]


def test_a_reader_sees_all_objects_while_other_threads_add_and_drop_some() -> None:
    living: LiveObjects[Thing] = LiveObjects()
    kept = [living.add(Thing(1)) for _ in range(1000)]

    def come_and_go() -> None:
        for _ in range(5000):
            living.add(Thing(0))

    threads = [Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert sum(thing.number for thing in living) == len(kept)
    assert len(list(living)) == len(kept)


@given(st.lists(st.none() | st.integers()))
def test_unknown_values_do_not_count(values: list[int | None]) -> None:
    numbers = [value for value in values if value is not None]
    if numbers:
        assert known(values, max) == max(numbers)
        assert known(values) == sum(numbers)
    else:
        assert math.isnan(known(values))
