"""Windows as the stages hand them on."""

import pickle

import numpy as np

from dataflow.items.rows import Rows
from dataflow.items.windows import WholeWindow, WindowRef
from tests.support.windowing import Arrival, batch

REF = WindowRef(0, 60_000_000, 0)


def test_a_window_gathers_its_parts_in_order_of_time_and_id() -> None:
    first, second = batch([Arrival(20), Arrival(10)]), batch([Arrival(99), Arrival(20), Arrival(5)], first=2)
    window = WholeWindow(REF, [Rows(first), Rows(second, np.array([1, 2]))], seen=4)
    assert len(window) == 4
    assert window.gather().column("id").to_pylist() == ["000004", "000001", "000000", "000003"]


def test_a_window_reaches_another_process_whole() -> None:
    rows = batch([Arrival(3), Arrival(1), Arrival(2)])
    window = WholeWindow(REF, [Rows(rows, np.array([2, 0]))], seen=7, arrival_us=5)
    again: WholeWindow = pickle.loads(pickle.dumps(window))
    assert (again.ref, again.seen, again.arrival_us) == (REF, 7, 5)
    assert again.gather() == window.gather()
