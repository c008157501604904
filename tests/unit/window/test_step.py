"""The window step in a dataflow: whole windows, late events and marks, with any number of workers."""

from datetime import datetime, timezone
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from dataflow.items.marks import Marked
from dataflow.items.schemas import LATE, embedded_schema
from dataflow.items.windows import WholeWindow
from dataflow.settings import Window
from dataflow.window.step import gather_windows
from tests.support.windowing import DIM, Arrival, batch, spec

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
sliding = spec(kind="sliding", length=10, slide=5, delay=0)
tumbling = spec(kind="tumbling", length=10, delay=0)
#: A key with the character that the step ids use as a separator.
ODD = "a\x1f1"

Keyed = list[tuple[str, Any]]


def gathered(
    batches: list[Marked], window: Window, workers: int = 1, stopping: bool = False
) -> tuple[Keyed, Keyed]:
    """Whole windows and late events, in the order in which they leave the step."""
    whole: Keyed = []
    late: Keyed = []
    flow = Dataflow("windows")
    up = op.input("in", flow, TestingSource(batches))
    out = gather_windows("window", up, window, lambda: NOW, stopping=lambda: stopping)
    op.output("whole", out.whole, TestingSink(whole))
    op.output("late", out.late, TestingSink(late))
    if workers == 1:
        run_main(flow)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)
    return whole, late


def ids(whole: Keyed) -> list[tuple[str, int, list[int]]]:
    """The key, the start in seconds and the events of each window, sorted."""
    return sorted(
        (key, window.ref.start // 1_000_000, [int(i) for i in window.gather().column("id").to_pylist()])
        for key, window in whole
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_each_key_has_its_own_windows(workers: int) -> None:
    arrivals = [Arrival(1, key="a"), Arrival(7, key=ODD), Arrival(2, key="a"), Arrival(12, key="a")]
    whole, late = gathered([Marked(batch(arrivals[:2])), Marked(batch(arrivals[2:], 2))], sliding, workers)
    assert ids(whole) == [
        ("a", -5, [0, 2]),
        ("a", 0, [0, 2]),
        ("a", 5, [3]),
        ("a", 10, [3]),
        (ODD, 0, [1]),
        (ODD, 5, [1]),
    ]
    assert late == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_whole_window_has_all_columns_of_its_events(workers: int) -> None:
    rows = batch([Arrival(1), Arrival(2), Arrival(3)])
    whole, _ = gathered([Marked(rows.slice(0, 2)), Marked(rows.slice(2))], tumbling, workers)
    ((_, window),) = whole
    assert isinstance(window, WholeWindow)
    assert window.gather() == rows
    assert window.gather().schema == embedded_schema(DIM)


@pytest.mark.parametrize("workers", [1, 3])
def test_late_events_leave_on_a_stream_of_their_own(workers: int) -> None:
    arrivals = [Arrival(5), Arrival(25), Arrival(6), Arrival(26), Arrival(7)]
    whole, late = gathered([Marked(batch(arrivals))], tumbling, workers)
    assert ids(whole) == [("k", 0, [0]), ("k", 20, [1, 3])]
    assert {key for key, _ in late} == {"k"}
    assert all(isinstance(marked, Marked) and marked.rows.schema == LATE for _, marked in late)
    assert [id for _, marked in late for id in marked.rows.column("id").to_pylist()] == ["000002", "000004"]


def test_a_window_knows_when_the_records_that_closed_it_were_read() -> None:
    batches = [
        Marked(batch([Arrival(5)]), arrival_us=1),
        Marked(batch([Arrival(15)], 1), arrival_us=2),
        Marked(batch([Arrival(25)], 2), arrival_us=3),
    ]
    whole, _ = gathered(batches, tumbling)
    by_start = {window.ref.start // 1_000_000: window.arrival_us for _, window in whole}
    # No records closed the last window: the input ended.
    assert by_start == {0: 2, 10: 3, 20: None}


@pytest.mark.parametrize("how", ["keep", "stopping"])
def test_windows_stay_open_at_the_end_of_the_input_if_they_are_to_be_kept(how: str) -> None:
    window = tumbling.model_copy(update={"on_eof": "keep"}) if how == "keep" else tumbling
    whole, _ = gathered([Marked(batch([Arrival(5), Arrival(15)]))], window, stopping=how == "stopping")
    assert ids(whole) == [("k", 0, [0])]
