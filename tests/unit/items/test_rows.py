"""Rows are copied once, in order; and nothing keeps more in memory than the rows that it needs."""

import pickle
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.rows import Rows, SortedBatch, in_order, of_strings, owned
from dataflow.items.schemas import embeddings
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.score.scorers.distance import MeanScorer
from dataflow.score.window import score_window
from dataflow.settings import Score
from dataflow.window.progress import Stamped, by_key
from tests.support.windowing import Arrival, batch

seconds = st.lists(st.integers(-20, 20), min_size=1, max_size=20)


def rows(times: list[int], first: int = 0) -> pa.RecordBatch:
    return batch([Arrival(ts) for ts in times], first)


@given(st.lists(seconds, min_size=1, max_size=5), st.data())
def test_rows_of_several_batches_are_sorted_by_time_and_id(
    batches: list[list[int]], data: st.DataObject
) -> None:
    parts, expected = [], []
    for number, times in enumerate(batches):
        whole = rows(times, first=100 * number)
        indices = data.draw(st.none() | st.permutations(range(len(times))))
        parts.append(Rows(whole, None if indices is None else np.array(indices)))
        expected += whole.to_pylist()
    together = in_order(parts)
    assert together.to_pylist() == sorted(expected, key=itemgetter("ts", "id"))
    assert embeddings(together).tolist() == [row["embedding"] for row in together.to_pylist()]


@given(seconds, st.integers(-25, 25), st.integers(0, 30))
def test_between_two_times_are_all_rows_with_these_times(times: list[int], start: int, length: int) -> None:
    whole = rows(times)
    found = SortedBatch(whole).between(start * 1_000_000, (start + length) * 1_000_000)
    expected = [row for row in whole.to_pylist() if start <= row["ts"].timestamp() < start + length]
    assert len(found) == len(expected)
    key = itemgetter("ts", "id")
    assert sorted(found.rows().to_pylist(), key=key) == sorted(expected, key=key)


def test_rows_in_order_are_not_copied() -> None:
    whole = rows([1, 2, 2, 3])
    assert in_order([Rows(whole)]) is whole
    assert SortedBatch(whole).between(0, 4_000_000).batch is whole


def test_pickled_rows_leave_out_the_other_rows_of_their_batch() -> None:
    few = Rows(rows([i * 7919 % 10_000 for i in range(10_000)]), np.array([5000, 3]))
    packed = pickle.dumps(few)
    assert len(packed) < 10_000
    assert pickle.loads(packed).rows().equals(few.rows())


def test_a_key_does_not_keep_the_rows_of_others_in_memory() -> None:
    keys = [f"k{i % 100}" for i in range(10_000)]
    whole = rows(list(range(10_000)))
    whole = whole.set_column(1, whole.schema.field("key"), pa.array(keys))
    for _, mine in by_key(Stamped(whole, ())):
        kept = owned(mine.rows)
        assert kept.equals(mine.rows)
        assert kept.get_total_buffer_size() < 2 * kept.nbytes
    assert owned(whole) is whole


@given(st.lists(seconds, min_size=2, max_size=5), st.integers(1, 100))
def test_more_text_than_a_string_column_holds_is_gathered_and_split_into_batches(
    batches: list[list[int]], sink_bytes: int
) -> None:
    whole = [rows(times, first=100 * number) for number, times in enumerate(batches)]
    window = [Rows(batch) for batch in whole]
    expected = in_order(window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflow.items.rows.STRING_BYTES", 7)
        patch.setattr("dataflow.items.rows.SINK_BYTES", sink_bytes)
        together = in_order(window)
        parts = of_strings(together)
    assert together.schema.field("text").type == pa.large_string()
    assert together.to_pylist() == expected.to_pylist()
    assert pa.Table.from_batches(parts).combine_chunks().equals(pa.Table.from_batches([expected]))
    assert all(len(part) for part in parts)
    assert len(of_strings(expected)) == 1


def test_a_window_of_large_strings_is_scored() -> None:
    whole = [rows([1, 2, 3, 4]), rows([1, 5], first=4)]
    window = WholeWindow(WindowRef(0, 10_000_000, 0), [Rows(batch) for batch in whole], 6)
    plain = score_window(MeanScorer(Score()), "k", window, window.gather())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflow.items.rows.STRING_BYTES", 7)
        patch.setattr("dataflow.items.rows.SINK_BYTES", 40)
        scored = score_window(MeanScorer(Score()), "k", window, window.gather())
        parts = of_strings(scored.rows)
    assert len(parts) > 1
    assert pa.Table.from_batches(parts).to_pylist() == plain.rows.to_pylist()
