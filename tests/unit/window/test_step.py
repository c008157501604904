"""The window stage in a dataflow: whole windows, late events and marks, with any number of workers."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import bytewax.operators as op
import pyarrow as pa
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from dataflow.items.marks import Marked
from dataflow.items.schemas import LATE, embedded_schema
from dataflow.items.windows import WholeWindows
from dataflow.settings import Window
from dataflow.window.logics import KeepLogic
from dataflow.window.messages import Append, Drop, Gather, Gone, Order, Replace
from dataflow.window.split import groups_of
from dataflow.window.step import gather_windows
from tests.support.window_items import row_ids
from tests.support.windowing import DIM, Arrival, batch, spec

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
sliding = spec(kind="sliding", length=10, slide=5, delay=0)
tumbling = spec(kind="tumbling", length=10, delay=0)
#: A key with a separator, and two keys of one group: the group of ``k`` is another one.
ODD, A, C = "a\x1f1:2", "a", "c"

Keyed = list[tuple[str, Any]]


def gathered(
    batches: Sequence[Marked], window: Window, workers: int = 1, stopping: bool = False
) -> tuple[Keyed, Keyed]:
    """Whole windows and late events, in the order in which they leave the stage."""
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


def ids(whole: Keyed) -> list[tuple[str, int, int, list[int]]]:
    """The key, the start in seconds, the revision and the events of each window of each key, sorted."""
    found: dict[tuple[int, str], list[int]] = {}
    for number, (_, windows) in enumerate(whole):
        for row in windows.gather().to_pylist():
            found.setdefault((number, row["key"]), []).append(int(row["id"]))
    refs = {(number, key): whole[number][1].window(key).ref for number, key in found}
    return sorted(
        (key, refs[n, key].start // 10**6, refs[n, key].revision, rows) for (n, key), rows in found.items()
    )


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("watermark", ["stream", "key"])
def test_each_key_has_its_own_windows(workers: int, watermark: str) -> None:
    arrivals = [Arrival(1, key=A), Arrival(7, key=ODD), Arrival(2, key=A), Arrival(12, key=A)]
    window = sliding.model_copy(update={"watermark": watermark})
    whole, late = gathered([Marked(batch(arrivals[:2])), Marked(batch(arrivals[2:], 2))], window, workers)
    # The event at 7 s closes [-5, 5) before the event at 2 s comes, unless each key has its own watermark.
    early = [(A, -5, 0, [0, 2])] if watermark == "key" else [(A, -5, 0, [0])]
    assert ids(whole) == [
        *early,
        (A, 0, 0, [0, 2]),
        (A, 5, 0, [3]),
        (A, 10, 0, [3]),
        (ODD, 0, 0, [1]),
        (ODD, 5, 0, [1]),
    ]
    assert late == []


@pytest.mark.parametrize("workers", [1, 3])
def test_windows_of_many_keys_leave_as_one_item_of_their_group(workers: int) -> None:
    keys = [f"k{number}" for number in range(30)]
    groups = dict(zip(keys, groups_of(pa.array(keys), tumbling.key_groups).tolist(), strict=True))
    rows = batch([Arrival(5, key=key) for key in keys])
    whole, _ = gathered([Marked(rows)], tumbling, workers)
    assert sorted(group for group, _ in whole) == ["0", "1", "2"]
    for group, windows in whole:
        assert isinstance(windows, WholeWindows)
        expected = sorted(key for key in keys if groups[key] == int(group))
        assert windows.gather().column("key").to_pylist() == expected


def test_a_quiet_group_closes_its_windows_as_the_stream_moves_on() -> None:
    whole, _ = gathered(
        [
            Marked(batch([Arrival(1, key=A), Arrival(2, key="k")])),
            Marked(batch([Arrival(15, key="k")], 2), arrival_us=7),
        ],
        tumbling.model_copy(update={"on_eof": "keep"}),
    )
    assert ids(whole) == [(A, 0, 0, [0]), ("k", 0, 0, [1])]
    # The event of the other group closed it, but its records are not those of this group.
    assert {
        window.arrival_us for group, window in whole if A in window.gather().column("key").to_pylist()
    } == {None}


def test_only_the_key_that_a_late_event_changed_leaves_again() -> None:
    window = tumbling.model_copy(update={"allowed_lateness": spec(gap=30).gap})
    arrivals = [
        Arrival(1, key=A),
        Arrival(2, key=C),
        Arrival(12, key=A),
        Arrival(3, key=C),
        Arrival(13, key=A),
    ]
    whole, late = gathered([Marked(batch(arrivals))], window)
    assert ids(whole) == [(A, 0, 0, [0]), (A, 10, 0, [2, 4]), (C, 0, 0, [1]), (C, 0, 1, [1, 3])]
    assert late == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_whole_window_has_all_columns_of_its_events(workers: int) -> None:
    rows = batch([Arrival(1), Arrival(2), Arrival(3)])
    whole, _ = gathered([Marked(rows.slice(0, 2)), Marked(rows.slice(2))], tumbling, workers)
    ((_, window),) = whole
    assert isinstance(window, WholeWindows)
    assert window.gather() == rows
    assert window.gather().schema == embedded_schema(DIM)


@pytest.mark.parametrize("workers", [1, 3])
def test_late_events_leave_on_a_stream_of_their_own(workers: int) -> None:
    arrivals = [Arrival(5), Arrival(25), Arrival(6), Arrival(26), Arrival(7)]
    whole, late = gathered([Marked(batch(arrivals))], tumbling, workers)
    assert ids(whole) == [("k", 0, 0, [0]), ("k", 20, 0, [1, 3])]
    assert {group for group, _ in late} == {str(groups_of(pa.array(["k"]), 3)[0])}
    assert all(isinstance(marked, Marked) and marked.rows.schema == LATE for _, marked in late)
    assert [id for _, marked in late for id in row_ids(marked.rows)] == [2, 4]


def test_a_window_knows_when_the_records_that_closed_it_were_read() -> None:
    batches = [
        Marked(batch([Arrival(5)]), arrival_us=1),
        Marked(batch([Arrival(15)], 1), arrival_us=2),
        Marked(batch([Arrival(25)], 2), arrival_us=3),
    ]
    whole, _ = gathered(batches, tumbling)
    by_start = {window.window("k").ref.start // 1_000_000: window.arrival_us for _, window in whole}
    # No records closed the last window: the input ended.
    assert by_start == {0: 2, 10: 3, 20: None}


@pytest.mark.parametrize("how", ["keep", "stopping"])
@pytest.mark.parametrize("watermark", ["stream", "key"])
def test_windows_stay_open_at_the_end_of_the_input_if_they_are_to_be_kept(how: str, watermark: str) -> None:
    window = tumbling.model_copy(
        update={"watermark": watermark, "on_eof": "keep" if how == "keep" else "close"}
    )
    whole, _ = gathered([Marked(batch([Arrival(5), Arrival(15)]))], window, stopping=how == "stopping")
    assert ids(whole) == [("k", 0, 0, [0])]


def test_windows_that_end_do_not_make_the_stored_chunks_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot writes all rows of each chunk that had a message since the last one."""
    came: list[type] = []

    class Noting(KeepLogic):
        def on_batch(self, values: list[Order]) -> tuple[Iterable[Replace | Gone], bool]:
            came.extend(map(type, values))
            return super().on_batch(values)

    monkeypatch.setattr("dataflow.window.step.KeepLogic", Noting)
    whole, _ = gathered([Marked(batch([Arrival(5), Arrival(12), Arrival(25)]))], sliding)
    assert len(whole) == 5
    assert came[0] is Append
    assert came[-1] is Drop
    assert Gather not in came


def test_an_input_without_events_gives_nothing() -> None:
    assert gathered([], tumbling) == ([], [])
    assert gathered([Marked(batch([Arrival(5)]).slice(0, 0))], tumbling) == ([], [])
