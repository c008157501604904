"""What the bytewax edge adds to the pure stages."""

import pickle

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.ipc import pickle_rows_only
from dataflow.window.progress import Stamped, by_key
from tests.support.windowing import Arrival, batch


@given(st.lists(st.sampled_from(["", "a", "b\x1f1", "ü"]), min_size=1, max_size=50))
def test_rows_go_to_their_keys_in_their_order(keys: list[str]) -> None:
    rows = batch([Arrival(i) for i in range(len(keys))])
    rows = rows.set_column(1, rows.schema.field("key"), pa.array(keys))
    moves = np.arange(len(keys))
    split = by_key(Stamped(rows, ((5, "p0"),), moves))
    assert [key for key, _ in split] == list(dict.fromkeys(keys))
    for key, mine in split:
        expected = [i for i, k in enumerate(keys) if k == key]
        assert mine.rows.column("offset").to_pylist() == expected
        assert mine.rows.column("key").to_pylist() == [key] * len(expected)
        assert mine.progress == ((5, "p0"),)
        assert mine.confirmed is not None
        assert mine.confirmed.tolist() == expected


def test_a_slice_travels_without_what_it_was_cut_from() -> None:
    rows = batch([Arrival(i) for i in range(10_000)])
    part = rows.slice(5000, 3)
    pickle_rows_only()
    packed = pickle.dumps(part)
    assert len(packed) < 10_000
    assert pickle.loads(packed).equals(part)
