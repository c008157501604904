"""Record batches as bytes: nothing is lost, and nothing is written that is not part of the rows."""

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.embedding import stored_embeddings
from dataflow.items.ipc import pack, pack_embedded, pickle_rows_only, unpack, unpack_embedded
from tests.support.batches import embedded_batch, events
from tests.support.windowing import Arrival, batch

DIM = 2
#: Embeddings that are equal as numbers but not as bytes, and one that is not equal to itself.
VECTORS = [(0.0, 1.0), (-0.0, 1.0), (float("nan"), 1.0), (0.5, 0.25)]


@given(st.lists(st.integers(0, 5), max_size=4), st.integers(0, 3))
def test_batches_come_back_as_they_were(sizes: list[int], start: int) -> None:
    batches = [batch([Arrival(i) for i in range(size)]).slice(min(start, size)) for size in sizes]
    assert unpack(pack(batches)) == batches


@given(
    st.lists(st.lists(st.sampled_from(VECTORS), min_size=1, max_size=8), min_size=1, max_size=3),
    st.sampled_from([np.float32, np.float16]),
)
def test_embeddings_come_back_to_the_bit(
    vectors: list[list[tuple[float, float]]], dtype: type[np.floating[Any]]
) -> None:
    batches = [
        embedded_batch(events(["text"] * len(each)), np.array(each, dtype).reshape(-1, DIM))
        for each in vectors
    ]
    again = unpack_embedded(pack_embedded(batches))
    assert [b.schema for b in again] == [b.schema for b in batches]
    assert [b.drop_columns(["embedding"]) for b in again] == [b.drop_columns(["embedding"]) for b in batches]
    assert [stored_embeddings(b).tobytes() for b in again] == [
        stored_embeddings(b).tobytes() for b in batches
    ]


def test_a_pickled_slice_has_only_its_rows() -> None:
    rows = batch([Arrival(i) for i in range(10_000)])
    part = rows.slice(5000, 3)
    pickle_rows_only()
    packed = pickle.dumps(part)
    assert len(packed) < 10_000
    unpacked: pa.RecordBatch = pickle.loads(packed)
    assert unpacked.equals(part)
