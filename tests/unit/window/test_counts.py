"""The counts of rows by chunk: when a chunk is full, and which chunks are dropped and trimmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.window.assigner import Pane
from dataflow.window.counts import FULL_ROWS, SEAL_ROWS, SLACK, Kind, RowCounts


def kind(first: int, last: int | None = None, level: int = 0) -> Kind:
    return Kind(Pane(first, first if last is None else last), level)


def test_rows_go_to_one_chunk_until_it_is_full() -> None:
    counts = RowCounts()
    assert [counts.append({kind(1): FULL_ROWS - 1}), counts.append({kind(2): 1})] == [0, 0]
    assert counts.append({kind(2): 1}) == 1
    assert (len(counts), counts.chunks(), counts.next_chunk) == (FULL_ROWS + 1, [0, 1], 2)


def test_a_chunk_of_a_key_with_many_rows_takes_a_tenth_of_them() -> None:
    counts = RowCounts()
    counts.append({kind(1): 100 * FULL_ROWS})
    assert counts.append({kind(1): 2 * FULL_ROWS}) == 1
    assert counts.append({kind(1): 20 * FULL_ROWS}) == 1
    assert counts.append({kind(1): 1}) == 2


@pytest.mark.parametrize(("rows", "next_chunk"), [(SEAL_ROWS - 1, 0), (SEAL_ROWS, 1)])
def test_a_snapshot_closes_a_chunk_that_is_worth_it(rows: int, next_chunk: int) -> None:
    counts = RowCounts()
    counts.append({kind(1): rows})
    again = RowCounts(counts.snapshot())
    assert counts.append({kind(1): 1}) == again.append({kind(1): 1}) == next_chunk


def test_a_window_has_the_rows_of_its_panes_from_its_level_up() -> None:
    counts = RowCounts()
    counts.append({kind(1, 2): 5, kind(2, 3): 7, kind(2, 3, level=1): 11})
    counts.snapshot()
    assert [counts.count(window, 0) for window in (1, 2, 3, 4)] == [5, 23, 18, 0]
    assert [counts.count(window, 1) for window in (1, 2, 3)] == [0, 11, 11]
    assert counts.count_by_chunk(2, 1) == {0: 11}
    assert counts.panes() == {Pane(1, 2), Pane(2, 3)}


def test_the_rows_of_a_session_that_joined_another_are_rows_of_the_other() -> None:
    counts = RowCounts()
    counts.append({kind(1): 5, kind(2): 7, kind(2, level=3): 1})
    counts.merge(Pane(2, 2), Pane(1, 1))
    assert [counts.count(1, 0), counts.count(1, 3), counts.count(2, 0)] == [13, 1, 0]


def chunks(*rows: dict[Kind, int]) -> RowCounts:
    """Counts with one chunk for each argument; the last chunk is open."""
    known = [(chunk, [(*k.pane, k.level, n) for k, n in each.items()]) for chunk, each in enumerate(rows)]
    return RowCounts({"open": len(rows) - 1, "next": len(rows), "chunks": known})


def test_a_chunk_without_needed_rows_is_dropped_and_its_number_is_not_used_again() -> None:
    counts = chunks({kind(1): 10}, {kind(1): 10})
    assert counts.purge(lambda k: False) == ([0, 1], [])
    assert not counts
    assert counts.append({kind(3): 1}) == 2


def test_chunks_are_trimmed_only_if_they_waste_more_than_the_slack() -> None:
    waste = int(SLACK * 1000)
    little = chunks({kind(1): waste, kind(2): 1000})
    assert little.purge(lambda k: k.pane.first > 1) == ([], [])
    assert len(little) == waste + 1000
    much = chunks({kind(1): waste + 1, kind(2): 900}, {kind(2): 100})
    assert much.purge(lambda k: k.pane.first > 1) == ([], [0])
    assert len(much) == 1000


kinds = st.builds(kind, st.integers(0, 3), st.just(3), level=st.integers(0, 2))


@given(
    st.lists(st.dictionaries(kinds, st.integers(1, 50), min_size=1), min_size=1, max_size=5), st.sets(kinds)
)
def test_a_purge_keeps_needed_rows_and_little_else(rows: list[dict[Kind, int]], needed: set[Kind]) -> None:
    counts = chunks(*rows)
    dropped, trimmed = counts.purge(needed.__contains__)
    wanted = sum(n for each in rows for k, n in each.items() if k in needed)
    assert wanted <= len(counts) <= (1 + SLACK) * wanted
    assert dropped == [chunk for chunk, each in enumerate(rows) if not needed & each.keys()]
    assert set(trimmed) <= set(counts.chunks())
    assert RowCounts(counts.snapshot()).snapshot() == counts.snapshot()
