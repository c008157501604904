"""Events that are not late are counted by key, pane and level, and appended to the open chunk."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.rows import event_times
from dataflow.settings import Window
from dataflow.window.additions import add
from dataflow.window.assigner import Pane
from dataflow.window.counts import FULL_ROWS
from dataflow.window.group import Group
from dataflow.window.key_state import Size
from dataflow.window.messages import Append, Order, Output, Trim
from dataflow.window.sample import levels, row_bytes
from tests.support.window_items import S, of_type, row_ids
from tests.support.windowing import Arrival, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
sliding = spec(kind="sliding", length=10, slide=5, delay=0)
#: Events in the same first window are not all in the same last window.
uneven = spec(kind="sliding", length=10, slide=4, delay=0)
lateness = spec(kind="sliding", length=10, slide=5, delay=0, allowed_lateness=20)
session = spec(kind="session", gap=10, delay=0, allowed_lateness=20)


def put(group: Group, rows: pa.RecordBatch, behind: bool = False) -> list[Order]:
    output = Output()
    add(group, rows, group.events(rows), output, behind=behind)
    return output.orders


def appended(orders: list[Order]) -> list[int]:
    return [id for order in orders if isinstance(order, Append) for id in row_ids(order.rows)]


def limited(**limits: int) -> Window:
    """Limits that are smaller than the settings permit."""
    return tumbling.model_copy(update=limits)


def test_rows_are_counted_and_go_to_the_open_chunk_until_it_is_full() -> None:
    group = Group(tumbling)
    assert of_type(put(group, batch([Arrival(1), Arrival(12)]))) == ["Append"]
    orders = put(group, batch([Arrival(1)] * FULL_ROWS, 2))
    orders += put(group, batch([Arrival(1)]))
    assert [order.chunk for order in orders] == [0, 1]
    assert len(group.counts) == FULL_ROWS + 3


events = st.lists(
    st.builds(Arrival, st.integers(-30, 60), key=st.sampled_from(["a", "b", "c"])), min_size=1, max_size=30
)


@given(
    st.sampled_from([tumbling, sliding, uneven, lateness, spec(watermark="key")]),
    st.lists(events, max_size=3),
)
def test_each_key_has_the_number_of_its_rows_in_each_pane(
    window: Window, batches: list[list[Arrival]]
) -> None:
    group, expected = Group(window), Counter[tuple[str | None, int, int]]()
    for number, arrivals in enumerate(batches):
        rows = batch(arrivals, 100 * number)
        (append,) = put(group, rows)
        assert isinstance(append, Append)
        assert append.rows.equals(rows)
        slide, length = (int(d.total_seconds()) for d in (window.slide, window.length))
        slide = length if window.kind == "tumbling" else slide
        expected.update(
            (a.key if group.keyed else None, (a.ts - length) // slide + 1, a.ts // slide) for a in arrivals
        )
    found = {
        (key, *cell.pane): size.rows
        for key, state in group.keys.items()
        for cell, size in state.cells.items()
    }
    assert found == dict(expected)
    assert {(cell.level, cell.chunk) for s in group.keys.values() for cell in s.cells} <= {(0, 0)}
    assert len(group.counts) == sum(expected.values())


@given(events)
def test_with_a_limit_rows_are_counted_by_their_level_with_their_bytes(arrivals: list[Arrival]) -> None:
    group, rows = Group(limited(max_window_bytes=10**9)), batch(arrivals)
    put(group, rows)
    expected = Counter[tuple[str, int, int]]()
    sizes = Counter[tuple[str, int, int]]()
    for a, level, size in zip(
        arrivals, levels(rows.column("id")).tolist(), row_bytes(rows).tolist(), strict=True
    ):
        expected[a.key, a.ts // 10, level] += 1
        sizes[a.key, a.ts // 10, level] += size
    assert {
        (key, cell.pane.first, cell.level): size
        for key, state in group.keys.items()
        for cell, size in state.cells.items()
    } == {cell: Size(n, sizes[cell]) for cell, n in expected.items()}


def test_only_ended_windows_of_the_keys_of_the_events_wait_to_be_emitted_again() -> None:
    group = Group(lateness)
    put(group, batch([Arrival(ts, key=key) for ts in (3, 13) for key in "abc"]))
    group.fired[None] = 10 * S
    # Event 6 is in [0, 10), which has ended, and in [5, 15), which has not.
    put(group, batch([Arrival(6, key="b"), Arrival(12, key="a")], 6), behind=True)
    assert list(group.revised) == ["b"]
    assert {key: list(state.changed) for key, state in group.keys.items()} == {"a": [], "b": [0], "c": []}


def test_windows_that_are_gone_are_not_emitted_again() -> None:
    group = Group(lateness)
    group.fired[None] = 32 * S
    # [0, 10) is gone at 30, [5, 15) at 35.
    put(group, batch([Arrival(6)]), behind=True)
    assert list(group.keys["k"].changed) == [1]


def test_a_session_that_was_emitted_waits_even_if_it_has_not_ended_any_more() -> None:
    group = Group(session)
    put(group, batch([Arrival(0)]))
    group.fired[None] = 10 * S
    group.keys["k"].revision[1] = 1
    # The session is [0, 19) now.
    put(group, batch([Arrival(9)], 1), behind=True)
    assert list(group.keys["k"].changed) == [1]


def test_without_lateness_and_ahead_of_the_watermark_nothing_is_emitted_again() -> None:
    for window, behind in ((sliding, True), (lateness, False)):
        group = Group(window)
        group.fired[None] = 10 * S
        put(group, batch([Arrival(6)]), behind=behind)
        assert not group.revised


def test_the_rows_of_sessions_that_an_event_joins_are_counted_together() -> None:
    group = Group(session)
    put(group, batch([Arrival(0), Arrival(15), Arrival(15, key="b"), Arrival(16)]))
    group.keys["k"].revision[2] = 3
    put(group, batch([Arrival(8)], 4))
    assert {key: {c.pane: s.rows for c, s in state.cells.items()} for key, state in group.keys.items()} == {
        "k": {Pane(1, 1): 4},
        "b": {Pane(3, 3): 1},
    }
    assert group.keys["k"].revision == {1: 3}


@pytest.mark.parametrize("by", ["max_window_rows", "max_window_bytes"])
def test_a_limit_holds_for_each_key_by_itself(by: str) -> None:
    rows = batch([Arrival(5, key="busy" if i % 10 else "quiet") for i in range(500)])
    limit = 100 if by == "max_window_rows" else 100 * int(row_bytes(rows)[0])
    group = Group(limited(**{by: limit}))
    orders = put(group, rows)
    assert of_type(orders) == ["Append", "Trim"]
    held = {key: sum(size.rows for size in state.cells.values()) for key, state in group.keys.items()}
    assert held["quiet"] == 50
    assert 50 < held["busy"] <= 100
    assert group.keys["busy"].levels
    assert not group.keys["quiet"].levels
    assert {key: state.seen_in(0) for key, state in group.keys.items()} == {"quiet": 50, "busy": 450}
    (trim,) = (order for order in orders if isinstance(order, Trim))
    assert trim.rows == len(group.counts) == sum(held.values())
    assert {k: [e.level for e in extents] for k, extents in trim.needed.items()} == {
        "quiet": [0],
        "busy": [group.keys["busy"].levels[0]],
    }


def test_rows_that_no_window_keeps_are_not_appended_but_seen() -> None:
    group = Group(limited(max_window_rows=100))
    put(group, batch([Arrival(5)] * 1000))
    level = group.keys["k"].levels[0]
    rows = batch([Arrival(5, key="k")] * 200 + [Arrival(5, key="b")] * 20, 1000)
    orders = put(group, rows)
    kept = levels(rows.column("id")) >= level
    assert appended(orders) == [
        id for id, keep in zip(row_ids(rows), [*kept[:200], *[True] * 20], strict=True) if keep
    ]
    assert group.keys["k"].seen_in(0) == 1200
    before = len(group.counts)
    below = rows.filter(pa.array(~kept)).filter(
        pa.array([True] * int((~kept[:200]).sum()) + [False] * int((~kept[200:]).sum()))
    )
    assert "Append" not in of_type(put(group, below))
    assert len(group.counts) == before


def test_a_few_rows_of_a_large_batch_do_not_keep_the_batch_in_memory() -> None:
    group = Group(tumbling)
    (append,) = put(group, batch([Arrival(1)] * 10_000).slice(5000, 3))
    assert isinstance(append, Append)
    assert append.rows.get_total_buffer_size() < 1000
    assert event_times(append.rows).tolist() == [S] * 3
