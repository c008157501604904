"""Rows are copied once, in order; and nothing keeps more in memory than the rows that it needs."""

import itertools
import pickle
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.embedding import embeddings
from dataflow.items.marks import Marked
from dataflow.items.rows import Rows, in_order, of_strings, owned, segments
from dataflow.items.schemas import EVENT, TIMESTAMP
from dataflow.window.split import split
from tests.support.batches import embedded_batch
from tests.support.window_items import row_ids
from tests.support.windowing import Arrival, batch

#: Keys whose order is that of their bytes: the empty one first, then ASCII, then the others.
KEYS = ["", "B", "a", "ab", "é", "日"]
seconds = st.lists(st.integers(-20, 20), min_size=1, max_size=20)
#: Many rows of one key, and few of others.
arrivals = st.lists(
    st.builds(Arrival, st.integers(-20, 20), key=st.sampled_from(["a"] * 4 + KEYS)), min_size=1, max_size=20
)
by_order = itemgetter("key", "ts", "id")


def rows(times: list[int], first: int = 0) -> pa.RecordBatch:
    return batch([Arrival(ts) for ts in times], first)


def parts_of(batches: list[list[Arrival]], data: st.DataObject) -> list[Rows]:
    """The batches, or some rows of them, in any order. The ids of later batches may be lower."""
    parts = []
    for number, of_batch in enumerate(batches):
        whole = batch(of_batch, first=100 * (9 - number))
        chosen = st.lists(st.sampled_from(range(len(of_batch))), min_size=1, unique=True)
        indices = data.draw(st.none() | chosen)
        parts.append(Rows(whole, None if indices is None else np.array(indices)))
    return parts


@given(
    st.lists(arrivals | seconds.map(lambda ts: [Arrival(t) for t in ts]), min_size=1, max_size=4), st.data()
)
def test_rows_of_several_batches_are_sorted_by_key_time_and_id(
    batches: list[list[Arrival]], data: st.DataObject
) -> None:
    parts = parts_of(batches, data)
    expected = sorted((row for part in parts for row in part.rows().to_pylist()), key=by_order)
    together = in_order(parts)
    assert together.to_pylist() == expected
    assert together.schema == parts[0].batch.schema
    assert embeddings(together).tolist() == [row["embedding"] for row in expected]


def halved(part: Rows) -> Rows:
    """The same rows with embeddings of float16."""
    vectors = embeddings(part.batch).astype(np.float16)
    rows = embedded_batch(part.batch.select(EVENT.names), vectors)
    return Rows(rows, part.indices)


def widened(part: Rows) -> Rows:
    """The same rows and numbers with embeddings of float32."""
    return Rows(embedded_batch(part.batch.select(EVENT.names), embeddings(part.batch)), part.indices)


@given(
    st.lists(arrivals | seconds.map(lambda ts: [Arrival(t) for t in ts]), min_size=1, max_size=4), st.data()
)
def test_rows_of_float16_come_out_as_the_same_rows_of_float32(
    batches: list[list[Arrival]], data: st.DataObject
) -> None:
    parts = [halved(part) for part in parts_of(batches, data)]
    expected, found = in_order([widened(part) for part in parts]), in_order(parts)
    assert found.schema == expected.schema
    assert found.equals(expected)


def test_rows_of_float16_that_are_in_order_come_out_as_float32() -> None:
    whole = rows([1, 2, 2, 3])
    assert in_order([halved(Rows(whole))]).equals(whole)


def test_more_keys_than_sixteen_bits_count_are_in_order() -> None:
    keys = [f"{number * 7919 % 70_000:05d}" for number in range(70_000)]
    columns = {"key": keys, "ts": pa.array([0] * len(keys), TIMESTAMP), "id": ["same"] * len(keys)}
    together = in_order([Rows(pa.record_batch(columns))])
    assert together.column("key").to_pylist() == sorted(keys)


def test_rows_without_embeddings_are_in_order_too() -> None:
    whole = rows([3, 1, 2]).drop_columns(["embedding"])
    together = in_order([Rows(whole), Rows(whole, np.array([1]))])
    assert row_ids(together) == [1, 1, 2, 0]
    assert together.schema == whole.schema


def test_rows_in_order_are_not_copied() -> None:
    for whole in (rows([1, 2, 2, 3]), batch([Arrival(9, key="a"), Arrival(1, key="b"), Arrival(1, key="b")])):
        assert in_order([Rows(whole)]) is whole


@given(arrivals)
def test_the_segments_of_sorted_rows_are_the_rows_of_each_key(events: list[Arrival]) -> None:
    together = in_order([Rows(batch(events))])
    found = segments(together)
    assert found.keys.to_pylist() == sorted({event.key for event in events})
    offsets = found.offsets.tolist()
    assert (offsets[0], offsets[-1], len(offsets)) == (0, len(events), len(found.keys) + 1)
    for key, (start, stop) in zip(found.keys.to_pylist(), itertools.pairwise(offsets), strict=True):
        assert set(together.column("key")[start:stop].to_pylist()) == {key}


def test_pickled_rows_leave_out_the_other_rows_of_their_batch() -> None:
    few = Rows(rows([i * 7919 % 10_000 for i in range(10_000)]), np.array([5000, 3]))
    packed = pickle.dumps(few)
    assert len(packed) < 10_000
    assert pickle.loads(packed).rows().equals(few.rows())


def test_a_key_group_does_not_keep_the_rows_of_others_in_memory() -> None:
    whole = batch([Arrival(i, key=f"k{i % 500}") for i in range(10_000)])
    pieces = split(Marked(whole), 200).rows
    assert len(pieces) > 100
    for _, piece in pieces:
        kept = owned(piece.rows)
        assert kept.equals(piece.rows)
        assert kept.get_total_buffer_size() < 2 * kept.nbytes
    assert owned(whole) is whole


@given(st.lists(arrivals, min_size=2, max_size=5), st.integers(1, 100))
def test_more_text_than_a_string_column_holds_is_gathered_and_split_into_batches(
    batches: list[list[Arrival]], sink_bytes: int
) -> None:
    whole = [batch(events, first=100 * number) for number, events in enumerate(batches)]
    window = [Rows(batch) for batch in whole]
    expected = in_order(window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflow.items.rows.STRING_BYTES", 7)
        patch.setattr("dataflow.items.rows.SINK_BYTES", sink_bytes)
        together = in_order(window)
        parts = of_strings(together)
    assert together.schema.field("text").type == together.schema.field("key").type == pa.large_string()
    assert together.to_pylist() == expected.to_pylist()
    assert segments(together).offsets.tolist() == segments(expected).offsets.tolist()
    assert pa.Table.from_batches(parts).combine_chunks().equals(pa.Table.from_batches([expected]))
    assert all(len(part) for part in parts)
    assert len(of_strings(expected)) == 1
