"""Rows are split by partition and key group: the same groups on each machine, and nothing out of order."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.marks import Marked
from dataflow.items.rows import event_times
from dataflow.window.messages import Run
from dataflow.window.split import by_number, groups_of, split
from tests.support.window_items import row_ids
from tests.support.windowing import Arrival, batch

#: Keys with more than ASCII, with the separator of step ids, and without any character.
KEYS = ["", "a", "all", "ü", "b\x1f1", "sensor-17"]


@pytest.mark.parametrize(
    ("key_groups", "expected"),
    [
        (1, [0, 0, 0, 0, 0, 0]),
        (3, [0, 0, 0, 1, 2, 1]),
        (16, [0, 3, 13, 5, 8, 3]),
        (4096, [0, 3651, 477, 2517, 2296, 563]),
    ],
)
def test_a_key_has_the_same_group_on_each_machine_and_in_each_run(
    key_groups: int, expected: list[int]
) -> None:
    """A store that another machine or an earlier version wrote depends on these numbers."""
    assert groups_of(pa.array(KEYS), key_groups).tolist() == expected


@pytest.mark.parametrize("key_groups", [16, 128])
def test_similar_keys_are_spread_over_all_groups(key_groups: int) -> None:
    keys = pa.array([f"host-{number:05d}" for number in range(100 * key_groups)])
    rows = Counter(groups_of(keys, key_groups).tolist())
    assert set(rows) == set(range(key_groups))
    assert 80 < min(rows.values()) <= max(rows.values()) < 120


arrivals = st.lists(
    st.builds(Arrival, st.integers(0, 9), st.sampled_from(["p0", "p1"]), st.sampled_from(KEYS)),
    min_size=1,
    max_size=40,
)


@given(arrivals, st.integers(1, 5))
def test_the_rows_of_each_run_and_group_stay_in_their_order(given: list[Arrival], key_groups: int) -> None:
    rows = batch(given)
    groups = groups_of(rows.column("key"), key_groups).tolist()
    # The expected run of each row: the number of the first row since the partition last changed.
    first = 0
    runs = [
        first := i if i == 0 or given[i].partition != given[i - 1].partition else first
        for i in range(len(given))
    ]
    pieces = split(Marked(rows, arrival_us=7), key_groups)
    found = {(piece.run, group): row_ids(piece.rows) for group, piece in pieces.rows}
    expected: dict[tuple[Run, int], list[int]] = {}
    for i, (run, group) in enumerate(zip(runs, groups, strict=True)):
        expected.setdefault((Run(given[i].partition, run), group), []).append(i)
    assert found == expected
    assert len(pieces.rows) == len(expected)
    for _, piece in pieces.rows:
        assert piece.rows == rows.take(pa.array(row_ids(piece.rows)))
        assert piece.arrival_us == 7


@given(arrivals, st.integers(1, 5))
def test_the_times_of_a_run_are_those_of_its_rows_in_all_groups(
    given: list[Arrival], key_groups: int
) -> None:
    rows = batch(given)
    pieces = split(Marked(rows), key_groups)
    assert [times.run for times in pieces.times] == list(dict.fromkeys(p.run for _, p in pieces.rows))
    assert np.concatenate([times.ts for times in pieces.times]).tolist() == event_times(rows).tolist()
    assert [g for times in pieces.times for g in times.groups.tolist()] == groups_of(
        rows.column("key"), key_groups
    ).tolist()


def test_rows_of_one_partition_and_one_group_are_not_copied() -> None:
    rows = batch([Arrival(1), Arrival(2)])
    ((_, piece),) = split(Marked(rows), 16).rows
    addresses = [[b and b.address for b in r.column("embedding").buffers()] for r in (rows, piece.rows)]
    assert addresses[0] == addresses[1]


def test_a_batch_without_rows_gives_nothing() -> None:
    pieces = split(Marked(batch([Arrival(1)]).slice(0, 0)), 16)
    assert (pieces.times, pieces.rows) == ([], [])


@given(st.lists(st.integers(-3, 3), min_size=1))
def test_each_number_has_the_ascending_indices_at_which_it_stands(numbers: list[int]) -> None:
    found = [(number, indices.tolist()) for number, indices in by_number(np.array(numbers))]
    assert found == [(n, [i for i, m in enumerate(numbers) if m == n]) for n in sorted(set(numbers))]
