"""Windows that have ended are emitted, windows of many keys in one item; rows that no window needs go."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.settings import Window
from dataflow.window.additions import add
from dataflow.window.firing import fire
from dataflow.window.group import Group, Key
from dataflow.window.messages import Drop, Gather, Order, Output, Trim
from dataflow.window.sample import levels
from tests.support.window_items import S, of_type
from tests.support.windowing import Arrival, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
sliding = spec(kind="sliding", length=10, slide=5, delay=0)
lateness = spec(kind="tumbling", length=10, delay=0, allowed_lateness=20)
session = spec(kind="session", gap=10, delay=0, allowed_lateness=20)


def put(group: Group, *events: tuple[int, str], behind: bool = False) -> None:
    rows = batch([Arrival(ts, key=key) for ts, key in events])
    add(group, rows, group.events(rows), Output(), behind=behind)


def filled(window: Window, *events: tuple[int, str]) -> Group:
    group = Group(window)
    put(group, *events)
    return group


def fired(group: Group, watermark: int, key: Key = None) -> list[Order]:
    output = Output(arrival_us=7)
    fire(group, {key: watermark * S}, output)
    return output.orders


def ref(start: int, end: int, revision: int = 0) -> KeyWindow:
    return KeyWindow(WindowRef(start * S, end * S, revision))


def emissions(orders: list[Order]) -> list[dict[str, tuple[int, int, int]]]:
    """The windows of each emission of keys that are told apart: start and end in seconds, revision."""
    return [
        {key: (w.ref.start // S, w.ref.end // S, w.ref.revision) for key, w in order.windows.items()}
        for order in orders
        if isinstance(order, Gather) and not isinstance(order.windows, KeyWindow)
    ]


def test_a_window_of_all_keys_is_gathered_when_the_watermark_reaches_its_end_and_its_rows_go() -> None:
    group = filled(tumbling, (1, "a"), (5, "b"), (9, "a"))
    assert fired(group, 9) == []
    assert fired(group, 10) == [Gather(0, 0, ref(0, 10), parts=1, rows=3, arrival_us=7), Drop(0)]
    assert (len(group.counts), group.keys) == (0, {})
    assert fired(group, 100) == []


def test_rows_are_gathered_in_each_of_their_windows_and_trimmed_when_the_last_is_gone() -> None:
    group = filled(sliding, (1, "a"), (6, "a"), (12, "a"))
    assert fired(group, 5) == [Gather(0, 0, ref(-5, 5), parts=1, rows=1, arrival_us=7)]
    gather, trim = fired(group, 10)
    assert gather == Gather(0, 1, ref(0, 10), parts=1, rows=2, arrival_us=7)
    assert isinstance(trim, Trim)
    assert (trim.rows, len(group.counts)) == (2, 2)
    first, second, *_, drop = fired(group, 100)
    assert [first, second] == [
        Gather(0, 2, ref(5, 15), parts=1, rows=2, arrival_us=7),
        Gather(0, 3, ref(10, 20), parts=1, rows=1, arrival_us=7),
    ]
    assert drop == Drop(0)


def test_a_watermark_that_does_not_move_emits_nothing() -> None:
    group = filled(tumbling, (1, "a"))
    group.fired[None] = 20 * S
    assert fired(group, 20) == fired(group, 15) == []
    assert group.fired_of(None) == 20 * S


def test_windows_of_several_chunks_are_gathered_in_as_many_parts() -> None:
    group = filled(lateness, *[(12, "a")] * 300, (13, "b"))
    group.counts.snapshot()
    put(group, (14, "c"), (15, "a"))
    parts = [order for order in fired(group, 20) if isinstance(order, Gather)]
    assert [(part.chunk, part.emission, part.parts, part.rows) for part in parts] == [
        (0, 0, 2, 301),
        (1, 0, 2, 2),
    ]
    assert [set(each) for each in emissions(list(parts))] == [{"a", "b"}, {"a", "c"}]


def test_windows_that_end_together_are_one_item_whatever_their_keys() -> None:
    group = filled(lateness, (1, "a"), (12, "a"), (2, "b"), (25, "c"))
    orders = fired(group, 20)
    assert of_type(orders) == ["Gather", "Gather"]
    assert emissions(orders) == [{"a": (0, 10, 0), "b": (0, 10, 0)}, {"a": (10, 20, 0)}]


def test_only_the_keys_that_changed_are_emitted_again() -> None:
    group = filled(lateness, (1, "a"), (2, "b"), (3, "c"))
    assert emissions(fired(group, 10)) == [{"a": (0, 10, 0), "b": (0, 10, 0), "c": (0, 10, 0)}]
    put(group, (4, "b"), (11, "a"), behind=True)
    assert fired(group, 10) == []
    orders = fired(group, 11)
    assert emissions(orders) == [{"b": (0, 10, 1)}]
    assert [order.rows for order in orders if isinstance(order, Gather)] == [2]
    assert not group.revised
    assert fired(group, 12) == []
    put(group, (5, "b"), (5, "c"), behind=True)
    assert emissions(fired(group, 13)) == [{"b": (0, 10, 2), "c": (0, 10, 1)}]


def test_a_window_that_is_gone_takes_its_rows_and_its_revision_with_it() -> None:
    group = filled(lateness, (1, "a"), (11, "b"))
    assert of_type(fired(group, 10)) == ["Gather"]
    assert of_type(fired(group, 29)) == ["Gather"]
    assert group.keys["a"].revision == {0: 1}
    assert of_type(fired(group, 30)) == ["Trim"]
    assert list(group.keys) == ["b"]
    assert fired(group, 40) == [Drop(0)]
    assert not group.keys


def test_each_key_is_emitted_in_its_own_sessions_and_those_of_one_watermark_together() -> None:
    group = filled(session, (0, "a"), (3, "b"), (15, "b"), (30, "c"))
    assert fired(group, 9) == []
    orders = fired(group, 26)
    # The first sessions of all keys are one item; the second ones are another.
    assert emissions(orders) == [{"a": (0, 10, 0), "b": (3, 13, 0)}, {"b": (15, 25, 0)}]
    assert emissions(fired(group, 40)) == [{"c": (30, 40, 0)}]


def test_a_session_that_grew_after_its_end_is_emitted_when_it_ends_again() -> None:
    group = filled(session, (0, "a"), (5, "b"))
    assert emissions(fired(group, 10)) == [{"a": (0, 10, 0)}]
    put(group, (9, "a"), (8, "b"), behind=True)
    assert fired(group, 17) == []
    assert emissions(fired(group, 19)) == [{"a": (0, 19, 1), "b": (5, 18, 0)}]
    assert not group.revised


def test_nothing_is_left_of_sessions_that_are_gone() -> None:
    group = filled(session, *((number, f"k{number}") for number in range(20)))
    fired(group, 29)
    assert len(group.keys) == 20
    fired(group, 40)
    assert set(group.keys) == {f"k{number}" for number in range(11, 20)}
    orders = fired(group, 59)
    assert orders == [Drop(0)]
    assert not group.keys
    # A key is known for the gap after its last session is gone.
    fired(group, 69)
    assert group.assigner.snapshot() == (20, [], [])


def test_a_watermark_of_one_key_emits_windows_of_this_key_alone() -> None:
    group = filled(tumbling.model_copy(update={"watermark": "key"}), (1, "a"), (2, "b"))
    orders = fired(group, 50, "a")
    assert emissions(orders) == [{"a": (0, 10, 0)}]
    assert list(group.keys) == ["b"]
    output = Output()
    put(group, (61, "a"), (62, "b"))
    fire(group, {"a": 80 * S, "b": 80 * S}, output)
    assert emissions(output.orders) == [{"b": (0, 10, 0)}, {"a": (60, 70, 0), "b": (60, 70, 0)}]


@pytest.mark.parametrize("by", [{"max_window_rows": 40}, {"max_window_bytes": 40 * 35}])
def test_a_sample_is_gathered_by_key_with_its_level_and_what_was_seen(by: dict[str, Any]) -> None:
    group = filled(tumbling.model_copy(update=by), *[(1, "busy")] * 500, *[(2, "quiet")] * 30)
    level = group.keys["busy"].levels[0]
    gather, drop = fired(group, 10)
    assert isinstance(gather, Gather)
    assert not isinstance(gather.windows, KeyWindow)
    assert {key: window.seen for key, window in gather.windows.items()} == {"busy": 500, "quiet": 30}
    assert gather.levels == {"busy": level}
    assert 30 < gather.rows <= 70
    assert drop == Drop(0)
    assert not group.keys


def test_a_window_takes_of_the_rows_that_it_shares_with_another_only_those_of_its_level() -> None:
    """[0, 10) is sampled, [5, 15) is not; the rows at 6 s are in both."""
    group = filled(sliding.model_copy(update={"max_window_rows": 40}), *[(1, "a")] * 500, *[(6, "a")] * 30)
    level_of, least = levels(pa.array([f"{i:06d}" for i in range(530)])), group.keys["a"].levels
    assert set(least) == {-1, 0}
    gathers = [order for order in fired(group, 15) if isinstance(order, Gather)]
    assert [gather.rows for gather in gathers] == [
        np.count_nonzero(level_of[:500] >= least[-1]),
        np.count_nonzero(level_of >= least[0]),
        30,
    ]
    assert [gather.levels for gather in gathers] == [{"a": least[-1]}, {"a": least[0]}, {}]


def test_what_is_known_of_a_sample_goes_with_its_window_even_if_it_had_no_rows() -> None:
    group = filled(lateness.model_copy(update={"max_window_rows": 1}), *[(1, "a")] * 50, (12, "a"))
    state = group.keys["a"]
    assert state.levels[0] > 0
    assert state.seen_in(0) == 50
    fired(group, 30)
    assert (state.levels, state.seen_in(0), state.seen_in(1)) == ({}, 0, 1)
    assert np.array_equal(group.counts.chunks(), [0])
    fired(group, 40)
    assert not group.keys
