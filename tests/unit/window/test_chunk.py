"""The two halves of a chunk: what snapshots write, which rows a window gets, when rows count as lost."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.items.schemas import embeddings
from dataflow.items.windows import WindowRef
from dataflow.window.chunk import TIER, Assembly, ChunkReader, StoredChunk
from dataflow.window.messages import Append, Drop, Gather, Gone, Trim
from tests.support.windowing import DIM, Arrival, batch


def with_vectors(rows: pa.RecordBatch, texts: list[int]) -> pa.RecordBatch:
    """``rows`` with an embedding for each number in ``texts``; equal numbers have equal embeddings."""
    vectors = np.random.default_rng(5).standard_normal((10, DIM)).astype(np.float32)[texts]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
    at = rows.schema.get_field_index("embedding")
    return rows.set_column(at, rows.schema.field(at), column)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), max_size=5))
def test_a_chunk_comes_back_from_its_snapshot_to_the_bit(batches: list[list[int]]) -> None:
    chunk = StoredChunk()
    for texts in batches:
        chunk.apply(Append(0, with_vectors(batch([Arrival(t) for t in texts]), texts)))
    state = pickle.loads(pickle.dumps(chunk.snapshot()))
    assert StoredChunk(state).batches == chunk.batches
    assert StoredChunk(state).snapshot() == chunk.snapshot()


def test_an_embedding_that_many_rows_have_is_written_once() -> None:
    events = batch([Arrival(t) for t in range(400)])

    def written(texts: list[int]) -> int:
        chunk = StoredChunk()
        chunk.apply(Append(0, with_vectors(events, texts)))
        assert (
            embeddings(StoredChunk(chunk.snapshot()).batches[0]).tobytes()
            == embeddings(chunk.batches[0]).tobytes()
        )
        return len(chunk.snapshot()["vectors"])

    assert written([t % 10 for t in range(400)]) == 10 * DIM * 4
    assert written([0] * 400) == DIM * 4


S = 1_000_000
GATHER = Gather(0, WindowRef(0, 100 * S, 0), parts=2, rows=3, seen=3)


def rows(*seconds: int, first: int = 0) -> pa.RecordBatch:
    return batch([Arrival(ts) for ts in seconds], first)


def ids(chunk: StoredChunk) -> list[str]:
    return [id for rows in chunk.batches for id in rows.column("id").to_pylist()]


def gathered(reader: ChunkReader, order: Gather) -> list[str]:
    """The ids of the rows that the reader hands over."""
    ((part,), _) = reader.take(order)
    return sorted(id for rows in part.rows for id in rows.rows().column("id").to_pylist())


def test_a_trimmed_chunk_has_no_rows_from_before_and_none_below_the_level() -> None:
    chunk = StoredChunk()
    chunk.apply(Append(0, rows(*range(100))))
    (replace,) = chunk.apply(Trim(0, before=10 * S, thinned=((20 * S, 100 * S, 63),)))
    assert ids(chunk) == [f"{i:06d}" for i in range(10, 20)]
    assert replace == chunk.replace()
    assert replace.changes == 2


def test_small_batches_are_copied_into_one() -> None:
    chunk = StoredChunk()
    replaces = [chunk.apply(Append(0, rows(number, first=number))) for number in range(TIER)]
    assert [len(each) for each in replaces] == [0] * (TIER - 1) + [1]
    assert len(chunk.batches) == 1
    assert ids(chunk) == [f"{i:06d}" for i in range(TIER)]


def test_batches_of_much_text_are_not_copied_into_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.window.chunk.COMPACT_BYTES", 100)
    chunk = StoredChunk()
    for number in range(TIER):
        chunk.apply(Append(0, rows(number, first=number)))
    assert len(chunk.batches) == TIER


def test_a_reader_hands_over_the_rows_of_a_window() -> None:
    reader = ChunkReader()
    reader.take(Append(0, rows(50, 150, 10)))
    reader.take(Append(0, rows(99, 100, first=3)))
    assert gathered(reader, GATHER) == ["000000", "000002", "000003"]


def test_a_reader_applies_a_replace_only_after_the_changes_that_are_in_it() -> None:
    chunk, reader = StoredChunk(), ChunkReader()
    append, trim = Append(0, rows(1, 2, 3)), Trim(0, before=2 * S)
    chunk.apply(append)
    (early,) = chunk.apply(trim)
    reader.take(append)
    reader.take(early)
    assert gathered(reader, GATHER) == ["000000", "000001", "000002"]
    reader.take(trim)
    assert gathered(reader, replace(GATHER, rows=2)) == ["000001", "000002"]


def test_a_reader_built_from_a_snapshot_keeps_orders_waiting_until_the_rows_come() -> None:
    chunk, reader = StoredChunk(), ChunkReader()
    append = Append(0, rows(1, 2, 3))
    chunk.apply(append)
    reader.take(append)
    again = ChunkReader(reader.snapshot())
    assert again.take(GATHER) == ([], False)
    (part,), _ = again.take(StoredChunk(chunk.snapshot()).replace())
    assert sum(map(len, part.rows)) == 3


def test_a_reader_is_forgotten_when_both_last_messages_have_come() -> None:
    dropped_first, gone_first = ChunkReader(), ChunkReader()
    assert dropped_first.take(Drop(0)) == gone_first.take(Gone()) == ([], False)
    assert dropped_first.take(Gone()) == gone_first.take(Drop(0)) == ([], True)


def test_the_parts_of_a_window_make_it_whole() -> None:
    readers = ChunkReader(), ChunkReader()
    assembly = Assembly()
    for number, reader in enumerate(readers):
        reader.take(Append(number, rows(1, 2, 3, first=3 * number)))
    (first,), (second,) = (reader.take(replace(GATHER, arrival_us=7))[0] for reader in readers)
    assert assembly.take(first) is None
    whole = assembly.take(second)
    assert whole is not None
    assert (whole.ref, whole.seen, whole.arrival_us) == (GATHER.window, 3, 7)
    assert sorted(whole.gather().column("id").to_pylist()) == [f"{i:06d}" for i in range(6)]


def test_a_reader_with_fewer_rows_than_were_counted_raises() -> None:
    reader = ChunkReader()
    reader.take(Append(0, rows(1, 2)))
    with pytest.raises(LostRowsError, match="2 of 3 rows of a part of the window from 1970-01-01T00:00:00"):
        reader.take(GATHER)
    parts, _ = reader.take(replace(GATHER, rows=2))
    assert len(parts) == 1


def test_a_reader_whose_rows_do_not_come_raises_at_the_next_snapshot() -> None:
    reader = ChunkReader({"format": 1, "changes": 1})
    assert reader.snapshot()["changes"] == 1
    reader.take(GATHER)
    with pytest.raises(LostRowsError, match="did not come within its epoch"):
        reader.snapshot()


def test_a_window_whose_parts_do_not_come_raises_at_the_next_snapshot() -> None:
    reader, assembly = ChunkReader(), Assembly()
    reader.take(Append(0, rows(1, 2, 3)))
    assembly.snapshot()
    assert assembly.take(reader.take(GATHER)[0][0]) is None
    with pytest.raises(LostRowsError, match="1 of 2 parts of the window"):
        assembly.snapshot()
