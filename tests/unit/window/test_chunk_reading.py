"""The half of a chunk that hands over rows: which rows a window gets, when rows wait, when they are lost."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.window.chunk import TIER, ChunkReader, StoredChunk
from dataflow.window.messages import Append, Drop, Extent, Gather, Gone, Part, Replace, Trim
from dataflow.window.sample import levels
from tests.support.window_items import S, row_ids, rows, stored
from tests.support.windowing import Arrival, batch

#: The one window of all keys, and windows of two keys that end together.
WINDOW = KeyWindow(WindowRef(0, 100 * S, 0))
OF_KEYS = {
    "a": KeyWindow(WindowRef(0, 20 * S, 1), seen=9),
    "b": KeyWindow(WindowRef(10 * S, 30 * S, 0), seen=5),
}
GATHER = Gather(0, 5, WINDOW, parts=2, rows=3)


def reading(*appended: pa.RecordBatch) -> ChunkReader:
    reader = ChunkReader()
    for each in appended:
        assert reader.take(Append(0, each)) == ([], False)
    return reader


def part(reader: ChunkReader, order: Gather) -> Part:
    ((made,), dropped) = reader.take(order)
    assert not dropped
    return made


def gathered(reader: ChunkReader, order: Gather) -> list[int]:
    """The numbers of the rows that the reader hands over."""
    return sorted(id for rows in part(reader, order).rows for id in row_ids(rows.rows()))


def trim(needed: dict[str | None, list[Extent]], rows: int) -> Trim:
    return Trim(0, needed, rows)


def test_a_reader_hands_over_the_rows_of_the_window_of_all_keys() -> None:
    reader = reading(rows(50, 150, 10), rows(99, 100, first=3))
    assert gathered(reader, GATHER) == [0, 2, 3]
    made = part(reader, replace(GATHER, arrival_us=7))
    assert (made.emission, made.windows, made.parts, made.arrival_us) == (5, WINDOW, 2, 7)


def test_a_reader_hands_over_the_rows_of_each_key_in_its_own_window() -> None:
    times = [("a", 5), ("b", 5), ("c", 15), ("b", 29), ("a", 20), ("b", 30), ("a", 0), ("b", 10)]
    reader = reading(batch([Arrival(ts, key=key) for key, ts in times]))
    assert gathered(reader, Gather(0, 0, OF_KEYS, parts=1, rows=4)) == [0, 3, 6, 7]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=1, max_size=25),
    st.dictionaries(st.sampled_from("ab"), st.integers(1, 3)),
)
def test_a_reader_leaves_out_rows_below_the_level_of_their_key(
    given: list[tuple[str, int]], least: dict[str, int]
) -> None:
    each = batch([Arrival(ts, key=key) for key, ts in given])
    expected = [
        id
        for id, level, (key, ts) in zip(row_ids(each), levels(each.column("id")).tolist(), given, strict=True)
        if key in OF_KEYS
        and OF_KEYS[key].ref.start <= ts * S < OF_KEYS[key].ref.end
        and level >= least.get(key, 0)
    ]
    order = Gather(0, 0, OF_KEYS, parts=1, rows=len(expected), levels=least)
    assert gathered(reading(each), order) == expected


def test_a_reader_applies_a_replace_only_after_the_changes_that_are_in_it() -> None:
    chunk, reader = StoredChunk(), ChunkReader()
    append, cut = Append(0, rows(1, 2, 3)), trim({None: [Extent(2 * S, 9 * S)]}, 2)
    chunk.apply(append)
    (early,) = chunk.apply(cut)
    reader.take(append)
    reader.take(early)
    assert gathered(reader, GATHER) == [0, 1, 2]
    reader.take(cut)
    assert gathered(reader, replace(GATHER, rows=2)) == [1, 2]


def test_a_replace_that_comes_late_leaves_the_rows_of_later_changes() -> None:
    chunk, reader = StoredChunk(), ChunkReader()
    orders: list[Append | Trim] = [
        Append(0, rows(1, 2)),
        trim({None: [Extent(2 * S, 9 * S)]}, 1),
        Append(0, rows(3, first=2)),
    ]
    messages = [message for order in orders for message in chunk.apply(order)]
    for order in orders:
        reader.take(order)
    assert gathered(reader, GATHER) == [0, 1, 2]
    reader.take(messages[0])
    assert gathered(reader, replace(GATHER, rows=2)) == [1, 2]


@pytest.mark.parametrize("early", [False, True])
def test_batches_that_were_copied_into_one_are_there_once(early: bool) -> None:
    chunk, reader = StoredChunk(), ChunkReader()
    for number in range(TIER):
        order = Append(0, rows(number, first=number))
        messages: list[Replace | Append] = [*chunk.apply(order), order]
        for message in messages if early else messages[::-1]:
            reader.take(message)
    assert gathered(reader, replace(GATHER, rows=TIER)) == list(range(TIER))


def test_a_reader_built_from_a_snapshot_keeps_orders_waiting_until_the_rows_come() -> None:
    append = Append(0, rows(1, 2, 3))
    again = ChunkReader(reading(append.rows).snapshot())
    assert again.take(GATHER) == ([], False)
    assert again.take(Append(0, rows(200, first=3))) == ([], False)
    (made,), _ = again.take(StoredChunk(stored(append.rows).snapshot()).replace())
    assert sum(map(len, made.rows)) == 3


def test_a_reader_is_forgotten_when_both_last_messages_have_come() -> None:
    dropped_first, gone_first = ChunkReader(), ChunkReader()
    assert dropped_first.take(Drop(0)) == gone_first.take(Gone()) == ([], False)
    assert dropped_first.take(Gone()) == gone_first.take(Drop(0)) == ([], True)


def test_a_reader_with_fewer_rows_than_were_counted_raises() -> None:
    reader = reading(rows(1, 2))
    with pytest.raises(LostRowsError, match="2 of 3 rows of a part of the window from 1970-01-01T00:00:00"):
        reader.take(GATHER)
    assert gathered(reader, replace(GATHER, rows=2)) == [0, 1]
    with pytest.raises(LostRowsError, match=r"0 of 1 rows of a part of the window .* to 1970-01-01T00:00:20"):
        reader.take(Gather(0, 0, OF_KEYS, parts=1, rows=1))


def test_a_reader_whose_rows_do_not_come_raises_at_the_next_snapshot() -> None:
    reader = ChunkReader({"format": 4, "changes": 1})
    assert reader.snapshot()["changes"] == 1
    reader.take(GATHER)
    with pytest.raises(LostRowsError, match="did not come within its epoch"):
        reader.snapshot()


def test_a_reader_that_has_a_replace_of_changes_that_did_not_come_raises_at_the_next_snapshot() -> None:
    reader = ChunkReader()
    reader.take(stored(rows(1)).replace())
    with pytest.raises(LostRowsError, match="did not come within its epoch"):
        reader.snapshot()
