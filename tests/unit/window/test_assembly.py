"""The parts of windows that are emitted together make them whole."""

import pytest

from dataflow.errors import LostRowsError
from dataflow.items.rows import Rows
from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.window.assembly import Assembly
from dataflow.window.messages import Part
from tests.support.window_items import S, row_ids
from tests.support.windowing import Arrival, batch

#: The one window of all keys, and windows of two keys that end together.
WINDOW = KeyWindow(WindowRef(0, 100 * S, 0))
OF_KEYS = {
    "a": KeyWindow(WindowRef(0, 20 * S, 1), seen=9),
    "b": KeyWindow(WindowRef(10 * S, 30 * S, 0), seen=5),
}


def part(windows: KeyWindow | dict[str, KeyWindow], *arrivals: Arrival, first: int = 0) -> Part:
    """One of two parts."""
    return Part(5, windows, 2, [Rows(batch(arrivals, first))], arrival_us=7)


def test_the_parts_of_a_window_make_it_whole() -> None:
    assembly = Assembly()
    assert assembly.take(part(WINDOW, Arrival(2), Arrival(1))) is None
    whole = assembly.take(part(WINDOW, Arrival(3), first=2))
    assert whole is not None
    assert (whole.window("any"), whole.arrival_us) == (WINDOW, 7)
    assert row_ids(whole.gather()) == [1, 0, 2]


def test_parts_with_other_keys_make_one_item_with_the_windows_of_all_keys() -> None:
    assembly = Assembly()
    assert assembly.take(part(OF_KEYS, Arrival(12, key="b"), Arrival(3, key="a"))) is None
    whole = assembly.take(part({"b": OF_KEYS["b"]}, Arrival(11, key="b"), first=2))
    assert whole is not None
    assert {key: whole.window(key) for key in "ab"} == OF_KEYS
    assert row_ids(whole.gather()) == [1, 2, 0]


def test_a_window_whose_parts_do_not_come_raises_at_the_next_snapshot() -> None:
    assembly = Assembly()
    assembly.snapshot()
    assert assembly.take(part(WINDOW, Arrival(1))) is None
    with pytest.raises(LostRowsError, match="1 of 2 parts of the window from 1970-01-01T00:00:00"):
        assembly.snapshot()
    of_keys = Assembly()
    of_keys.take(part(OF_KEYS, Arrival(1, key="a")))
    with pytest.raises(LostRowsError, match="to 1970-01-01T00:00:20"):
        of_keys.snapshot()
