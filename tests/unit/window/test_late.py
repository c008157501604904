"""What the row of a late event says."""

import numpy as np
import orjson

from dataflow.items.schemas import EVENT, LATE
from dataflow.window.late import late_rows
from tests.support.windowing import Arrival, at, batch


def test_a_late_event_has_the_watermark_its_lateness_and_the_windows_that_it_missed() -> None:
    rows = batch([Arrival(12), Arrival(40)])
    missed = [[(5_000_000, 15_000_000), (10_000_000, 20_000_000)], [(40_000_000, 50_000_000)]]
    late = late_rows(rows, np.array([23_000_000, 45_000_000]), missed)
    assert late.schema == LATE
    of_event = [name for name in EVENT.names if name != "masked"]
    assert late.select(of_event) == rows.select(of_event)
    assert "masked" not in late.schema.names
    assert late.column("watermark").to_pylist() == [at(23), at(45)]
    # The second event falls into a session that is gone, although a session of its own would be open.
    assert late.column("late_by_us").to_pylist() == [3_000_000, -5_000_000]
    assert orjson.loads(late.column("missed")[0].as_py()) == [
        ["1970-01-01T00:00:05.000000Z", "1970-01-01T00:00:15.000000Z"],
        ["1970-01-01T00:00:10.000000Z", "1970-01-01T00:00:20.000000Z"],
    ]
