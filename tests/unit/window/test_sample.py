"""Sampling by the ids of the events: levels, limits, and what happens when sessions join."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Pane
from dataflow.window.counts import Kind, RowCounts
from dataflow.window.sample import HIGHEST, Sample, levels
from tests.support.windowing import Arrival, batch

IDS = pa.array([f"event {number}" for number in range(10_000)])
#: One window, [0, 100 s).
PANE = Pane(0, 0)


class Key:
    """The counts and the sample of a key with tumbling windows of 100 s."""

    def __init__(self, limit: int | None) -> None:
        self.counts = RowCounts()
        self.windows = Aligned(100_000_000, 100_000_000, 0, 0, self.counts.panes)
        self.sample = Sample(limit, self.windows, self.counts)

    def add(self, rows: int, first: int = 0) -> int:
        """Add events to the window; the number of rows that were kept."""
        events = batch([Arrival(1)] * rows, first)
        kept, kinds = self.sample.admit(events, np.full(rows, 1_000_000))
        assert sum(kinds.values()) == len(kept)
        self.counts.append(kinds)
        return len(kept)


def test_each_level_has_half_of_the_ids_of_the_level_below() -> None:
    found = levels(IDS)
    shares = [float(np.mean(found >= level)) for level in range(4)]
    # Four standard deviations of a share of 1/8 are a tenth of the share.
    assert shares == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8], rel=0.1)
    assert 0 <= found.min() <= found.max() <= HIGHEST


def test_the_level_of_an_id_depends_on_nothing_else() -> None:
    order = np.random.default_rng(1).permutation(len(IDS))
    assert levels(IDS.take(pa.array(order))).tolist() == levels(IDS)[order].tolist()


def test_without_a_limit_all_rows_are_kept() -> None:
    key = Key(None)
    assert key.add(1000) == 1000
    assert not key.sample.tighten()
    assert (key.sample.level(0), key.sample.seen(0)) == (0, None)


def test_a_window_takes_the_lowest_level_that_is_enough() -> None:
    key = Key(100)
    assert key.add(1000) == 1000
    assert key.sample.tighten()
    level = key.sample.level(0)
    assert key.counts.count(0, level) <= 100 < key.counts.count(0, level - 1)
    assert key.sample.seen(0) == 1000
    assert key.sample.thinned() == ((0, 100_000_000, level),)
    assert [key.sample.needs(Kind(PANE, at)) for at in (level - 1, level)] == [False, True]


def test_later_rows_below_the_level_are_not_kept_but_seen() -> None:
    key = Key(100)
    key.add(1000)
    key.sample.tighten()
    assert key.add(1000, first=1000) == int(
        np.sum(levels(pa.array([f"{i:06d}" for i in range(1000, 2000)])) >= key.sample.level(0))
    )
    assert key.sample.seen(0) == 2000


def test_a_session_that_joins_another_brings_its_level_and_its_events() -> None:
    state = {"levels": {1: 2, 2: 5}, "seen": [(1, 1, 10), (2, 2, 30)]}
    sample = Sample(100, Key(100).windows, RowCounts(), state)
    sample.merge(Pane(2, 2), Pane(1, 1))
    assert sample.snapshot() == {"levels": {1: 5}, "seen": [(1, 1, 40)]}


def test_windows_that_are_gone_are_forgotten() -> None:
    key = Key(100)
    key.add(1000)
    key.sample.tighten()
    key.windows.forget(99_999_999)
    key.sample.forget()
    assert key.sample.level(0) > 0
    key.windows.forget(100_000_000)
    key.sample.forget()
    assert key.sample.snapshot() == {"levels": {}, "seen": []}
