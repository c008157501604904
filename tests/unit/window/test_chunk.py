"""What a chunk writes at a snapshot, and what it takes for lost."""

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
from dataflow.window.chunk import Assembly, ChunkReader, StoredChunk
from dataflow.window.messages import Append, Gather
from tests.support.windowing import DIM, Arrival, batch


def with_vectors(rows: pa.RecordBatch, texts: list[int]) -> pa.RecordBatch:
    """``rows``, of which those of one number in ``texts`` have one embedding."""
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
    rows = batch([Arrival(t) for t in range(400)])

    def written(texts: list[int]) -> int:
        chunk = StoredChunk()
        chunk.apply(Append(0, with_vectors(rows, texts)))
        assert (
            embeddings(StoredChunk(chunk.snapshot()).batches[0]).tobytes()
            == embeddings(chunk.batches[0]).tobytes()
        )
        return len(chunk.snapshot()["vectors"])

    assert written([t % 10 for t in range(400)]) == 10 * DIM * 4
    assert written([0] * 400) == DIM * 4


GATHER = Gather(0, WindowRef(0, 100_000_000, 0), parts=2, rows=3, seen=3)


def test_a_reader_that_holds_other_rows_than_were_counted_says_so() -> None:
    reader = ChunkReader()
    reader.take(Append(0, batch([Arrival(1), Arrival(2)])))
    with pytest.raises(LostRowsError, match="2 of 3 rows of a part of the window from 1970-01-01T00:00:00"):
        reader.take(GATHER)
    parts, _ = reader.take(replace(GATHER, rows=2))
    assert len(parts) == 1


def test_a_reader_whose_rows_do_not_come_says_so_at_the_next_snapshot() -> None:
    reader = ChunkReader({"format": 1, "changes": 1})
    assert reader.snapshot()["changes"] == 1
    reader.take(GATHER)
    with pytest.raises(LostRowsError, match="did not come within its epoch"):
        reader.snapshot()


def test_a_window_whose_parts_do_not_come_says_so_at_the_next_snapshot() -> None:
    reader, assembly = ChunkReader(), Assembly()
    reader.take(Append(0, batch([Arrival(1), Arrival(2), Arrival(3)])))
    assembly.snapshot()
    assert assembly.take(reader.take(GATHER)[0][0]) is None
    with pytest.raises(LostRowsError, match="1 of 2 parts of the window"):
        assembly.snapshot()
