"""The half of a chunk that snapshots write: its rows, trimmed, compacted, and to the bit."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.items.embedding import embeddings
from dataflow.window.chunk import LARGE, TIER, ChunkReader, StoredChunk
from dataflow.window.messages import Append, Extent, Trim
from dataflow.window.sample import levels
from tests.support.window_items import S, row_ids, rows, stored
from tests.support.windowing import DIM, Arrival, batch


def with_vectors(rows: pa.RecordBatch, texts: list[int]) -> pa.RecordBatch:
    """``rows`` with an embedding for each number in ``texts``; equal numbers have equal embeddings."""
    vectors = np.random.default_rng(5).standard_normal((10, DIM)).astype(np.float32)[texts]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
    at = rows.schema.get_field_index("embedding")
    return rows.set_column(at, rows.schema.field(at), column)


def with_masked(rows: pa.RecordBatch) -> pa.RecordBatch:
    """``rows``, where every other row has a masked text."""
    column = pa.array([f"masked {row}" if row % 2 else None for row in range(len(rows))], pa.string())
    at = rows.schema.get_field_index("masked")
    return rows.set_column(at, rows.schema.field(at), column)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), max_size=5))
def test_a_chunk_comes_back_from_its_snapshot_to_the_bit(batches: list[list[int]]) -> None:
    chunk = StoredChunk()
    for texts in batches:
        chunk.apply(Append(0, with_masked(with_vectors(batch([Arrival(t) for t in texts]), texts))))
    state = pickle.loads(pickle.dumps(chunk.snapshot()))
    assert StoredChunk(state).batches == chunk.batches
    assert StoredChunk(state).snapshot() == chunk.snapshot()


@pytest.mark.parametrize("half", [StoredChunk, ChunkReader])
def test_the_state_of_another_format_is_refused(half: type[StoredChunk] | type[ChunkReader]) -> None:
    with pytest.raises(ValueError, match="chunk state has format 1, this version reads 4"):
        half(half().snapshot() | {"format": 1})


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


def ids(chunk: StoredChunk) -> list[int]:
    return [id for rows in chunk.batches for id in row_ids(rows)]


def trim(needed: dict[str | None, list[Extent]], rows: int) -> Trim:
    return Trim(0, needed, rows)


def test_a_trimmed_chunk_has_the_rows_that_are_needed_whatever_their_keys() -> None:
    chunk = stored(rows(*range(50)), rows(*range(50, 100), first=50))
    extents = [Extent(10 * S, 20 * S), Extent(90 * S, 95 * S)]
    (replace,) = chunk.apply(trim({None: extents}, 15))
    assert ids(chunk) == [*range(10, 20), *range(90, 95)]
    assert (replace.changes, replace.rows) == (3, chunk.batches)
    # A batch without needed rows is not kept.
    chunk.apply(trim({None: [Extent(90 * S, 95 * S)]}, 5))
    assert len(chunk.batches) == 1


events = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=1, max_size=25)
extents = st.lists(
    st.builds(
        lambda start, n, level: Extent(start * S, (start + n) * S, level),
        st.integers(0, 30),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
    max_size=3,
)


@given(st.lists(events, min_size=1, max_size=3), st.dictionaries(st.sampled_from("abz"), extents))
def test_chunks_are_trimmed_by_key_and_level(
    batches: list[list[tuple[str, int]]], needed: dict[str | None, list[Extent]]
) -> None:
    whole = [
        batch([Arrival(ts, key=key) for key, ts in each], 100 * number) for number, each in enumerate(batches)
    ]
    expected = [
        id
        for each, of in zip(whole, batches, strict=True)
        for id, level, (key, ts) in zip(row_ids(each), levels(each.column("id")).tolist(), of, strict=True)
        if any(e.start <= ts * S < e.end and level >= e.level for e in needed.get(key, ()))
    ]
    chunk = stored(*whole)
    chunk.apply(trim(needed, len(expected)))
    assert ids(chunk) == expected
    with pytest.raises(LostRowsError, match=f"{len(expected)} of {len(expected) + 1} rows of a chunk"):
        chunk.apply(trim(needed, len(expected) + 1))


def test_a_trimmed_chunk_keeps_no_other_rows_in_memory() -> None:
    chunk = stored(rows(*range(1000)))
    chunk.apply(trim({None: [Extent(0, 10 * S)]}, 10))
    (left,) = chunk.batches
    assert left.get_total_buffer_size() < 2 * left.nbytes


def test_small_batches_are_copied_into_one_and_then_those_of_that_size() -> None:
    chunk = StoredChunk()
    replaces = [len(chunk.apply(Append(0, rows(n, first=n)))) for n in range(TIER * TIER)]
    assert replaces == ([0] * (TIER - 1) + [1]) * TIER
    assert len(chunk.batches) == 1
    assert ids(chunk) == list(range(TIER * TIER))


def test_large_batches_are_not_copied_into_one() -> None:
    chunk = stored(*(rows(*range(LARGE)) for _ in range(TIER)))
    assert len(chunk.batches) == TIER


def test_batches_of_much_text_are_not_copied_into_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.window.chunk.COMPACT_BYTES", 100)
    assert len(stored(*(rows(number, first=number) for number in range(TIER))).batches) == TIER
