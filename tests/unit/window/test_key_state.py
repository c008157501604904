"""What is known of one key: numbers of rows by cell, and what became of its windows."""

from hypothesis import given
from hypothesis import strategies as st

from dataflow.window.assigner import Pane
from dataflow.window.key_state import Cell, KeyState, Size


def cell(first: int, last: int | None = None, level: int = 0, chunk: int = 0) -> Cell:
    return Cell(Pane(first, first if last is None else last), level, chunk)


def rows(state: KeyState, window: int, level: int = 0) -> int:
    return sum(size.rows for _, size in state.of_window(window, level))


def test_a_window_has_the_rows_of_its_panes_from_its_level_up() -> None:
    state = KeyState()
    for added, n in ((cell(1, 2), 5), (cell(2, 3), 7), (cell(2, 3, level=1), 11), (cell(2, 3), 1)):
        state.add(added, Size(n, 10 * n))
    assert [rows(state, window) for window in (1, 2, 3, 4)] == [5, 24, 19, 0]
    assert [rows(state, window, 1) for window in (1, 2, 3)] == [0, 11, 11]
    assert dict(state.of_window(3, 0))[cell(2, 3)] == (8, 80)
    assert state.panes() == {Pane(1, 2), Pane(2, 3)}


def test_the_events_seen_in_a_window_are_those_of_its_panes() -> None:
    state = KeyState({"seen": [(1, 2, 5), (2, 3, 7)]})
    assert [state.seen_in(window) for window in (1, 2, 3, 4)] == [5, 12, 7, 0]


def test_cells_are_removed_with_the_chunk_and_the_rows_of_each() -> None:
    state = KeyState()
    state.add(cell(1, chunk=4), Size(5, 0))
    state.add(cell(1, chunk=6), Size(7, 0))
    assert state.remove([cell(1, chunk=6)]) == [(6, 7)]
    assert list(state.cells) == [cell(1, chunk=4)]


def test_a_session_that_joined_another_brings_its_rows_its_revision_its_level_and_its_events() -> None:
    state = KeyState(
        {
            "revision": [(1, 1), (2, 3)],
            "changed": [2],
            "levels": [(1, 2), (2, 5)],
            "seen": [(1, 1, 10), (2, 2, 30)],
        }
    )
    for added, n in ((cell(1), 5), (cell(2), 7), (cell(2, level=3), 1), (cell(2, chunk=9), 2), (cell(3), 4)):
        state.add(added, Size(n, n))
    state.merge(2, 1)
    assert state.cells == {
        cell(1): (12, 12),
        cell(1, level=3): (1, 1),
        cell(1, chunk=9): (2, 2),
        cell(3): (4, 4),
    }
    assert (state.revision, list(state.changed)) == ({1: 3}, [1])
    assert (state.levels, state.seen) == ({1: 5}, {Pane(1, 1): 40})


def test_the_higher_revision_and_the_higher_level_stay_whichever_session_they_come_from() -> None:
    for old, new in ((1, 2), (2, 1)):
        state = KeyState({"revision": [(1, 1), (2, 3)], "levels": [(1, 4), (2, 2)]})
        state.merge(old, new)
        assert state.snapshot() == {"revision": [(new, 3)], "levels": [(new, 4)]}


def test_a_session_of_which_nothing_is_known_changes_nothing() -> None:
    state = KeyState({"cells": [(1, 1, 0, 0, 5, 5)], "revision": [(1, 1)]})
    before = state.snapshot()
    state.merge(7, 1)
    assert state.snapshot() == before


panes = st.tuples(st.integers(-2, 2), st.integers(3, 5))
numbers = st.dictionaries(st.integers(-2, 5), st.integers(1, 9), max_size=3)
states = st.fixed_dictionaries(
    {
        "cells": st.dictionaries(
            st.tuples(panes, st.integers(0, 3), st.integers(0, 2)), st.tuples(st.integers(1), st.integers(0))
        ).map(lambda cells: [(*pane, level, chunk, *size) for (pane, level, chunk), size in cells.items()]),
        "revision": numbers.map(lambda n: list(n.items())),
        "changed": numbers.map(list),
        "levels": numbers.map(lambda n: list(n.items())),
        "seen": st.dictionaries(panes, st.integers(1)).map(lambda seen: [(*p, n) for p, n in seen.items()]),
    }
)


@given(states)
def test_the_state_comes_back_and_what_is_empty_is_not_written(state: dict[str, list[object]]) -> None:
    """A million keys without revisions, levels and limits write their cells alone."""
    assert KeyState(state).snapshot() == {name: values for name, values in state.items() if values}
