"""Windows as the stages hand them on."""

import pickle

import numpy as np
import pytest

from dataflow.items.rows import Rows
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from tests.support.window_items import S, row_ids
from tests.support.windowing import Arrival, batch

ONE = KeyWindow(WindowRef(0, 60 * S, 0))
EACH = {
    "a": KeyWindow(WindowRef(0, 60 * S, 1), seen=7),
    "b": KeyWindow(WindowRef(5 * S, 90 * S, 0), seen=2),
}


def test_windows_gather_their_parts_in_order_of_key_time_and_id() -> None:
    first = batch([Arrival(20, key="b"), Arrival(10, key="b"), Arrival(30, key="a")])
    second = batch([Arrival(99, key="a"), Arrival(20, key="b"), Arrival(5, key="b")], first=3)
    windows = WholeWindows(EACH, [Rows(first), Rows(second, np.array([1, 2]))])
    assert len(windows) == 5
    assert row_ids(windows.gather()) == [2, 5, 1, 0, 4]


def test_each_key_has_its_own_window_or_all_keys_have_one() -> None:
    assert [WholeWindows(ONE, []).window(key) for key in "ab"] == [ONE, ONE]
    assert [WholeWindows(EACH, []).window(key) for key in "ab"] == [EACH["a"], EACH["b"]]


@pytest.mark.parametrize("windows", [ONE, EACH], ids=["one", "each"])
def test_windows_reach_another_process_whole(windows: KeyWindow | dict[str, KeyWindow]) -> None:
    rows = batch([Arrival(3, key="a"), Arrival(1, key="b"), Arrival(2, key="b")])
    sent = WholeWindows(windows, [Rows(rows, np.array([2, 0]))], arrival_us=5)
    again: WholeWindows = pickle.loads(pickle.dumps(sent))
    assert (again.windows, again.arrival_us, len(again)) == (windows, 5, 2)
    assert again.window("b") == sent.window("b")
    assert again.gather() == sent.gather()
