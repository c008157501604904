"""The rows of a batch are found by event time, and by key and event time."""

from operator import itemgetter

from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.sorted_batch import SortedBatch
from tests.support.window_items import S, row_ids
from tests.support.windowing import Arrival, batch

KEYS = ["", "B", "a", "ab", "é", "日"]
arrivals = st.lists(
    st.builds(Arrival, st.integers(-20, 20), key=st.sampled_from(["a"] * 4 + KEYS)), min_size=1, max_size=20
)


@given(arrivals, st.integers(-25, 25), st.integers(0, 30))
def test_between_two_times_are_all_rows_with_these_times(
    events: list[Arrival], start: int, length: int
) -> None:
    whole = batch(events)
    found = SortedBatch(whole).between(start * S, (start + length) * S)
    expected = [row for row in whole.to_pylist() if start <= row["ts"].timestamp() < start + length]
    assert len(found) == len(expected)
    assert sorted(found.rows().to_pylist(), key=itemgetter("id")) == expected


@given(
    arrivals,
    st.dictionaries(st.sampled_from([*KEYS, "unknown"]), st.tuples(st.integers(-25, 25), st.integers(0, 30))),
)
def test_of_each_key_are_all_rows_in_its_own_stretch_of_time(
    events: list[Arrival], spans: dict[str, tuple[int, int]]
) -> None:
    sorted_batch = SortedBatch(batch(events))
    found = sorted_batch.of_keys({key: (start * S, (start + n) * S) for key, (start, n) in spans.items()})
    expected = [
        number
        for number, event in enumerate(events)
        if event.key in spans and spans[event.key][0] <= event.ts < sum(spans[event.key])
    ]
    assert sorted(row_ids(found.rows())) == expected
    assert len(found) == len(expected)
    assert found.batch is sorted_batch.batch


def test_a_batch_that_is_wholly_between_is_not_copied() -> None:
    whole = batch([Arrival(ts) for ts in (2, 1, 3)])
    assert SortedBatch(whole).between(0, 4 * S).batch is whole
    assert SortedBatch(whole).batch is whole
