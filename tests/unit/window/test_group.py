"""The state of a key group: when keys are told apart, what is gone, and which rows are removed."""

import pickle
from typing import Any

import numpy as np
import pytest

from dataflow.clock import NEVER
from dataflow.window.assigner import Pane
from dataflow.window.group import Group
from dataflow.window.key_state import Cell, KeyState, Size
from dataflow.window.messages import Drop, Extent, Output, Trim
from tests.support.window_items import S, keyed_events
from tests.support.windowing import Arrival, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
lateness = spec(kind="tumbling", length=10, delay=0, allowed_lateness=30)


@pytest.mark.parametrize(
    ("options", "keyed"),
    [
        ({"kind": "tumbling"}, False),
        ({"kind": "sliding", "idle_timeout": 60}, False),
        ({"kind": "session"}, True),
        ({"allowed_lateness": 1}, True),
        ({"max_window_rows": 100}, True),
        ({"max_window_bytes": 1_000_000}, True),
        ({"watermark": "key"}, True),
    ],
)
def test_keys_are_told_apart_only_where_a_decision_depends_on_the_key(
    options: dict[str, Any], keyed: bool
) -> None:
    group = Group(spec(**options))
    assert group.keyed == keyed
    events = group.events(batch([Arrival(5, key="b"), Arrival(7, key="a"), Arrival(6, key="b")]))
    assert events.ts.tolist() == [5 * S, 7 * S, 6 * S]
    assert [events.names[code] for code in events.codes] == (["b", "a", "b"] if keyed else [None] * 3)


def test_a_key_has_a_watermark_of_its_own_only_if_the_settings_say_so() -> None:
    stream, of_keys = Group(lateness), Group(lateness.model_copy(update={"watermark": "key"}))
    for group in (stream, of_keys):
        group.fired |= {None: 50 * S, "a": 70 * S}
    assert [stream.fired_of("a"), stream.fired_of("b")] == [50 * S, 50 * S]
    assert [of_keys.fired_of("a"), of_keys.fired_of("b")] == [70 * S, NEVER]


def test_a_window_that_is_gone_stays_gone_when_the_lateness_becomes_longer() -> None:
    for scope, key in ((None, "stream"), ("a", "key")):
        window = spec(kind="tumbling", length=10, delay=0, allowed_lateness=10, watermark=key)
        short = Group(window)
        short.fired[scope] = 50 * S
        assert short.gone("a", 50 * S) == 40 * S
        longer = Group(window.model_copy(update={"allowed_lateness": spec(gap=45).gap}), short.snapshot())
        assert [longer.gone("a", at * S) for at in (50, 90)] == [40 * S, 45 * S]
        # The next restart remembers that, and another lateness does not.
        again = Group(window, longer.snapshot())
        assert [again.gone("a", at * S) for at in (49, 60)] == [40 * S, 50 * S]
        events = keyed_events(("a", 0), ("b", 0))
        before = again.gone_before(events, np.array([45 * S, 45 * S]))
        assert before.tolist() == [40 * S, 40 * S if scope is None else 35 * S]


def test_a_shorter_lateness_holds_at_once() -> None:
    long = Group(lateness)
    long.fired[None] = 50 * S
    shorter = lateness.model_copy(update={"allowed_lateness": spec(gap=5).gap})
    assert Group(shorter, long.snapshot()).gone("a", 50 * S) == 45 * S


def test_a_key_that_is_forgotten_leaves_no_number() -> None:
    group = Group(spec(kind="tumbling", length=10, watermark="key"))
    group.fired |= {"a": 5, "b": 6}
    group.forget_key("a")
    group.forget_key("unknown")
    assert group.snapshot()["fired"] == [("b", 6)]


def test_the_state_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="window state has format 1, this version reads 2"):
        Group(tumbling, Group(tumbling).snapshot() | {"format": 1})


def filled(**options: Any) -> Group:
    """A group with two chunks: the keys ``a`` and ``b`` have rows in both."""
    group = Group(spec(**{"kind": "tumbling", "length": 10, "delay": 0, "allowed_lateness": 30} | options))
    for chunk in range(2):
        for key, rows in (("a", 100), ("b", 200)):
            state = group.keys.setdefault(key, KeyState())
            for window in range(4):
                state.add(Cell(Pane(window, window), 0, chunk), Size(rows, 0))
        group.counts.append(1200)
        group.counts.snapshot()
    return group


def test_a_group_comes_back_from_its_snapshot() -> None:
    group = filled()
    group.keys["a"].changed[2] = None
    group.fired[None], group.emissions = 7 * S, 5
    state = pickle.loads(pickle.dumps(group.snapshot()))
    again = Group(lateness, state)
    assert again.snapshot() == group.snapshot()
    assert (list(again.revised), again.emissions, len(again.counts)) == (["a"], 5, 2400)


def remove(group: Group, *cells: tuple[str, int, int]) -> list[Any]:
    """Release the rows of cells (key, window, chunk); the orders that follow."""
    output = Output()
    for key, window, chunk in cells:
        for at, rows in group.keys[key].remove([Cell(Pane(window, window), 0, chunk)]):
            group.counts.release(at, rows)
    group.reclaim(output)
    return output.orders


def test_a_trimmed_chunk_is_told_what_each_key_needs_of_it() -> None:
    group = filled()
    assert remove(group, ("a", 0, 0)) == []
    (trim,) = remove(group, ("b", 1, 0), ("b", 0, 0))
    assert isinstance(trim, Trim)
    assert (trim.chunk, trim.rows) == (0, 700)
    assert {key: set(extents) for key, extents in trim.needed.items()} == {
        "a": {Extent(10 * S, 40 * S)},
        "b": {Extent(20 * S, 40 * S)},
    }


def test_a_key_of_which_a_chunk_has_no_needed_rows_is_not_named() -> None:
    group = filled()
    (trim,) = remove(group, *(("a", window, 1) for window in range(4)))
    assert isinstance(trim, Trim)
    assert (trim.chunk, trim.rows, list(trim.needed)) == (1, 800, ["b"])


def test_a_chunk_that_nobody_needs_is_dropped() -> None:
    group = filled()
    cells = [(key, window, 0) for key in "ab" for window in range(4)]
    assert remove(group, *cells) == [Drop(0)]


def test_rows_below_the_lowest_level_of_their_windows_are_not_needed() -> None:
    group = filled(max_window_rows=500)
    group.keys["a"].levels |= {1: 3, 2: 1}
    (trim,) = remove(group, ("b", 0, 0), ("b", 1, 0))
    assert isinstance(trim, Trim)
    assert {extent.start // S: extent.level for extent in trim.needed["a"]} == {0: 0, 10: 3, 20: 1, 30: 0}
    assert {extent.level for extent in trim.needed["b"]} == {0}
