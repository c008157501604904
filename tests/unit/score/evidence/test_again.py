"""What is near events that were embedded again, beside a simple reference."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.items.fixed import squared, to_fixed
from dataflow.score.evidence.again import UNKNOWN, near_again
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.near import FAR, Near


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.sets(st.integers(0, 39)))
def test_what_is_near_is_known_again_where_the_window_is_in_the_sample(
    seed: int, slide: int, left: set[int]
) -> None:
    """Windows are ``[k * slide, k * slide + 2 * slide)``; the events ``left`` have left the sample."""
    rng = np.random.default_rng(seed)
    n, ts = 40, np.sort(rng.integers(0, 30, 40))
    starts = ts // slide * slide
    ends = starts + 2 * slide
    inside = (ts >= starts[:, None]) & (ts < ends[:, None])
    base = Features.none(4, 16)
    every = replace(
        base,
        vectors=to_fixed(rng.standard_normal((n, 4)).astype(np.float32)),
        near=Near(np.full((n, 16), FAR, np.int32), np.full(n, UNKNOWN)),
        forms=np.zeros(n, np.uint64),
        alike=np.ones(n, np.int64),
        sizes=inside.sum(axis=1),
        starts=starts,
        ends=ends,
        ts=ts,
        priority=rng.random(n),
        scores=np.zeros(n),
        texts=np.array([""] * n, np.object_),
    )
    stays = np.setdiff1d(np.arange(n), list(left))
    if not len(stays):
        return
    found = near_again(every.take(stays), np.ones(len(stays), np.bool_))
    whole = np.array([set(np.flatnonzero(inside[row])) <= set(stays) for row in stays])
    is_past = ends[stays] <= starts[stays].max()
    if is_past.any() and whole[is_past].mean() < 0.9:
        assert (found.others == UNKNOWN).all()
        return
    for place, row in enumerate(stays):
        if not whole[place]:
            assert found.others[place] == UNKNOWN
            continue
        others = np.setdiff1d(np.flatnonzero(inside[row]), [row])
        distances = np.sort(squared(every.vectors[[row]], every.vectors[others])[0])[:16]
        assert found.others[place] == len(others)
        assert found.squares[place].tolist() == [*distances.tolist(), *[FAR] * (16 - len(distances))]
