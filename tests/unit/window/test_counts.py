"""The counts of rows by chunk: when a chunk is full, and which chunks are dropped and trimmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.window.counts import FULL_ROWS, SEAL_ROWS, SLACK, ChunkCounts


def append(counts: ChunkCounts, rows: int) -> int:
    """The number of the chunk that takes the rows."""
    chunk = counts.next_rows()
    counts.append(rows)
    assert chunk in counts.chunks()
    return chunk


def chunks(*sizes: tuple[int, int]) -> ChunkCounts:
    """Counts with a chunk for each pair of rows held and rows needed; the last chunk is open."""
    known = [(chunk, held, needed) for chunk, (held, needed) in enumerate(sizes)]
    return ChunkCounts({"open": len(sizes) - 1, "next": len(sizes), "chunks": known})


def test_rows_go_to_one_chunk_until_it_is_full() -> None:
    counts = ChunkCounts()
    assert [append(counts, n) for n in (FULL_ROWS - 1, 1, 1)] == [0, 0, 1]
    assert (len(counts), counts.chunks(), counts.next_rows()) == (FULL_ROWS + 1, [0, 1], 1)


def test_a_chunk_of_a_group_with_many_rows_takes_a_tenth_of_them() -> None:
    counts = ChunkCounts()
    append(counts, 100 * FULL_ROWS)
    assert [append(counts, n) for n in (2 * FULL_ROWS, 20 * FULL_ROWS, 1)] == [1, 1, 2]


@pytest.mark.parametrize(("rows", "next_chunk"), [(SEAL_ROWS - 1, 0), (SEAL_ROWS, 1)])
def test_a_snapshot_closes_a_chunk_that_is_worth_it(rows: int, next_chunk: int) -> None:
    counts = ChunkCounts()
    append(counts, rows)
    again = ChunkCounts(counts.snapshot())
    assert append(counts, 1) == append(again, 1) == next_chunk


def test_a_chunk_without_needed_rows_is_dropped_and_its_number_is_not_used_again() -> None:
    counts = chunks((10, 10), (10, 10))
    counts.release(0, 10)
    counts.release(1, 4)
    counts.release(1, 6)
    assert counts.reclaim() == ([0, 1], {})
    assert (len(counts), counts.chunks()) == (0, [])
    assert append(counts, 1) == 2


def test_chunks_are_trimmed_only_if_the_group_wastes_more_than_the_slack() -> None:
    waste = int(SLACK * 1000)
    little = chunks((waste + 1000, 1000))
    assert little.reclaim() == ([], {})
    assert len(little) == 1000
    much = chunks((waste + 1 + 900, 900), (100, 100))
    assert much.reclaim() == ([], {0: 900})
    assert len(much) == 1000
    # The rows are removed now: nothing is left to trim.
    assert much.reclaim() == ([], {})


sizes = st.tuples(st.integers(1, 50), st.integers(0, 50)).map(lambda pair: (max(pair), pair[1]))


@given(st.lists(sizes, min_size=1, max_size=6))
def test_what_is_left_is_what_is_needed_and_little_else(given: list[tuple[int, int]]) -> None:
    counts = chunks(*given)
    dropped, trimmed = counts.reclaim()
    assert dropped == [chunk for chunk, (_, needed) in enumerate(given) if not needed]
    assert len(counts) == sum(needed for _, needed in given)
    held = {chunk: held for chunk, (held, needed) in enumerate(given) if needed}
    assert counts.chunks() == list(held)
    assert all(trimmed[chunk] == given[chunk][1] < held[chunk] for chunk in trimmed)
    assert sum((held | trimmed).values()) <= (1 + SLACK) * len(counts)
    assert ChunkCounts(counts.snapshot()).snapshot() == counts.snapshot()
