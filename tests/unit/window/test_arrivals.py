"""Rows wait for their stamps, and stamps for their rows; the stamps alone decide the order."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import LostRowsError
from dataflow.window.arrivals import Arrivals
from dataflow.window.messages import GroupRows, Run, Stamp
from tests.support.windowing import Arrival, batch


def stamp(offset: int | None, partition: str = "p0") -> Stamp:
    """The stamp of the run that begins at ``offset``; a mark if that is ``None``."""
    return Stamp(None if offset is None else Run(partition, offset), np.array([0, 0]))


def rows(offset: int, partition: str = "p0") -> GroupRows:
    return GroupRows(Run(partition, offset), batch([Arrival(1, partition)], offset))


def take(arrivals: Arrivals, item: GroupRows | Stamp) -> list[tuple[Stamp, GroupRows | None]]:
    return list(arrivals.take(item))


@given(
    st.lists(st.sampled_from(["p0", "p1", None]), max_size=12),
    st.randoms(use_true_random=False),
)
def test_stamps_leave_in_their_order_each_as_soon_as_all_before_it_are_complete(
    partitions: list[str | None], rng: random.Random
) -> None:
    """Rows come in any order; a mark (``None``) has no rows to wait for."""
    stamps = [stamp(None if p is None else i, p or "") for i, p in enumerate(partitions)]
    items = {i: rows(i, p) for i, p in enumerate(partitions) if p}
    ways: list[list[GroupRows | Stamp]] = [rng.sample(list(items.values()), len(items)), list(stamps)]
    arrivals, came, left = Arrivals(), set[int](), list[tuple[Stamp, GroupRows | None]]()
    while any(ways):
        item = rng.choice([way for way in ways if way]).pop(0)
        came.add(id(item))
        left += take(arrivals, item)
        whole = [id(s) in came and (i not in items or id(items[i]) in came) for i, s in enumerate(stamps)]
        assert len(left) == (whole.index(False) if False in whole else len(whole))
    assert all(one is other for (one, _), other in zip(left, stamps, strict=True))
    assert all(found is items.get(i) for i, (_, found) in enumerate(left))
    arrivals.check_empty()


def test_runs_of_two_partitions_with_one_offset_are_told_apart() -> None:
    arrivals = Arrivals()
    take(arrivals, rows(5, "p1"))
    assert take(arrivals, stamp(5, "p0")) == []
    assert [r.run.partition for _, r in take(arrivals, rows(5, "p0")) if r] == ["p0"]
    assert [r.run.partition for _, r in take(arrivals, stamp(5, "p1")) if r] == ["p1"]


@pytest.mark.parametrize("item", [rows(0), stamp(0)], ids=["rows", "stamp"])
def test_what_still_waits_at_the_end_of_the_epoch_is_lost(item: GroupRows | Stamp) -> None:
    arrivals = Arrivals()
    arrivals.check_empty()
    take(arrivals, item)
    with pytest.raises(LostRowsError, match="did not come within their epoch"):
        arrivals.check_empty()
