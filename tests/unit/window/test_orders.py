"""The orders that a key gives to its chunks."""

import numpy as np

from dataflow.items.rows import event_times
from dataflow.items.windows import WindowRef
from dataflow.window.aligned import Aligned
from dataflow.window.counts import RowCounts
from dataflow.window.messages import Append, Drop, Gather, Order, Output, Trim
from dataflow.window.orders import Orders
from tests.support.windowing import Arrival, batch

S = 1_000_000


class Key:
    """Sliding windows of 10 s every 5 s."""

    def __init__(self, limit: int | None = None) -> None:
        self.counts = RowCounts()
        windows = Aligned(10 * S, 5 * S, 0, 0, self.counts.panes)
        self.orders = Orders(limit, windows, self.counts)

    def add(self, *seconds: int) -> list[Order]:
        output, rows = Output(), batch([Arrival(ts) for ts in seconds])
        self.orders.add(rows, event_times(rows), -100 * S, output)
        return output.orders

    def fire(self, watermark: int) -> list[Order]:
        output = Output(arrival_us=7)
        self.orders.fire(watermark * S, output)
        return output.orders


def test_rows_are_appended_gathered_trimmed_and_dropped() -> None:
    key = Key()
    (append,) = key.add(1, 6, 12)
    assert isinstance(append, Append)
    assert len(append.rows) == 3
    # [-5, 5) has one row, which [0, 10) needs, too.
    assert key.fire(5) == [Gather(0, WindowRef(-5 * S, 5 * S, 0), 1, 1, 1, 0, 7)]
    gather, trim = key.fire(10)
    assert gather == Gather(0, WindowRef(0, 10 * S, 0), 1, 2, 2, 0, 7)
    assert trim == Trim(0, 5 * S)
    assert len(key.counts) == 2
    assert key.fire(20)[-1] == Drop(0)
    assert not key.counts


def test_a_window_of_several_chunks_is_gathered_in_as_many_parts() -> None:
    key = Key()
    key.add(*[12] * 300)
    key.orders.snapshot()
    key.add(13)
    parts = [order for order in key.fire(15) if isinstance(order, Gather)]
    assert [(part.chunk, part.parts, part.rows, part.seen) for part in parts] == [
        (0, 2, 300, 301),
        (1, 2, 1, 301),
    ]


def test_rows_over_the_limit_are_trimmed_at_once() -> None:
    key = Key(limit=100)
    append, trim = key.add(*[12] * 1000)
    assert isinstance(append, Append)
    assert isinstance(trim, Trim)
    assert [(start, end) for start, end, _ in trim.thinned] == [(10 * S, 15 * S)]
    assert len(key.counts) <= 100
    gather = key.fire(15)[0]
    assert isinstance(gather, Gather)
    assert (gather.rows, gather.seen) == (len(key.counts), 1000)
    assert gather.level == trim.thinned[0][2] > 0


def test_no_order_is_given_where_nothing_happens() -> None:
    key = Key()
    key.add(1)
    assert key.fire(4) == []
    assert np.array_equal(key.counts.chunks(), [0])
