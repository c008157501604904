"""Sampling by the ids of the events: levels, bytes, and the level that a window of a key needs."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.window.assigner import Pane
from dataflow.window.key_state import Cell, KeyState, Size
from dataflow.window.sample import HIGHEST, Sample, levels, row_bytes
from tests.support.batches import embedded_batch, events
from tests.support.windowing import DIM

IDS = pa.array([f"event {number}" for number in range(10_000)])


def all_windows(pane: Pane) -> Sequence[int]:
    """No window is gone."""
    return range(pane.first, pane.last + 1)


def test_each_level_has_half_of_the_ids_of_the_level_below() -> None:
    found = levels(IDS)
    shares = [float(np.mean(found >= level)) for level in range(4)]
    # Four standard deviations of a share of 1/8 are a tenth of the share.
    assert shares == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8], rel=0.1)
    assert 0 <= found.min() <= found.max() <= HIGHEST


def test_the_level_of_an_id_depends_on_nothing_else() -> None:
    order = np.random.default_rng(1).permutation(len(IDS))
    assert levels(IDS.take(pa.array(order))).tolist() == levels(IDS)[order].tolist()


def test_the_bytes_of_a_row_are_those_of_its_embedding_and_its_texts() -> None:
    rows = events(["", "ü", "abc"], ids=["1", "22", ""], masked=[None, "<é>", ""])
    rows = rows.set_column(6, rows.schema.field(6), pa.array(["{}", "", '{"a":1}']))
    found = row_bytes(embedded_batch(rows, np.zeros((3, DIM), np.float32)))
    assert found.tolist() == [4 * DIM + n for n in (0 + 1 + 2, 2 + 2 + 0 + 4, 3 + 0 + 7)]
    # A slice has the bytes of its own rows.
    assert row_bytes(embedded_batch(rows, np.zeros((3, DIM), np.float32)).slice(2)).tolist() == [4 * DIM + 10]


cells = st.dictionaries(
    st.builds(
        lambda first, length, level, chunk: Cell(Pane(first, first + length), level, chunk),
        st.integers(0, 4),
        st.integers(0, 2),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    st.builds(Size, st.integers(1, 30), st.integers(1, 3000)),
)


@given(
    cells,
    st.none() | st.integers(1, 60),
    st.none() | st.integers(1, 6000),
    st.dictionaries(st.integers(0, 6), st.integers(1, 3)),
    st.integers(0, 2),
)
def test_each_window_takes_the_lowest_level_that_is_enough_and_never_a_lower_one_again(
    held: dict[Cell, Size], most_rows: int | None, most_bytes: int | None, before: dict[int, int], gone: int
) -> None:
    """Windows below ``gone`` are gone: they need no row."""

    def kept(pane: Pane) -> Sequence[int]:
        return [window for window in all_windows(pane) if window >= gone]

    def fits(window: int, level: int) -> bool:
        sizes = [
            size for (pane, at, _), size in held.items() if pane.first <= window <= pane.last and at >= level
        ]
        rows, size = sum(s.rows for s in sizes), sum(s.bytes for s in sizes)
        return (most_rows is None or rows <= most_rows) and (most_bytes is None or size <= most_bytes)

    state = KeyState({"levels": list(before.items())})
    for cell, size in held.items():
        state.add(cell, size)
    unneeded = Sample(most_rows, most_bytes).tighten(state, kept)
    expected = dict(before)
    for window in {window for cell in held for window in kept(cell.pane)}:
        most = max((cell.level for cell in held if cell.pane.first <= window <= cell.pane.last), default=0)
        lowest = next(
            level for level in range(before.get(window, 0), 99) if fits(window, level) or level >= most
        )
        if lowest:
            expected[window] = lowest
    assert state.levels == expected
    needed = [c for c in held if c.level >= min((expected.get(w, 0) for w in kept(c.pane)), default=0)]
    assert set(unneeded) == held.keys() - set(needed)


def test_without_a_limit_all_rows_are_kept() -> None:
    sample = Sample(None, None)
    assert not sample
    assert Sample(1, None)
    assert Sample(None, 1)
    state = KeyState()
    state.add(Cell(Pane(0, 0), 0, 0), Size(10**9, 10**15))
    assert sample.tighten(state, all_windows) == []


def test_rows_are_kept_if_a_window_of_their_pane_takes_their_level_and_seen_in_any_case() -> None:
    state, pane = KeyState({"levels": [(1, 2), (2, 4)]}), Pane(1, 2)
    sample = Sample(100, None)
    admitted = [sample.admits(state, Cell(pane, level, 0), 10, all_windows) for level in range(5)]
    assert admitted == [False, False, True, True, True]
    # Window 1 is gone, and window 2 takes level 4 and above.
    assert not sample.admits(state, Cell(pane, 3, 0), 10, lambda pane: [2])
    # A window that is not sampled takes everything.
    assert sample.admits(state, Cell(Pane(2, 3), 0, 0), 7, all_windows)
    assert state.seen == {pane: 60, Pane(2, 3): 7}
