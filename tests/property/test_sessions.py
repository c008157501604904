"""Sessions end at the gaps between events and never overlap."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dataflow.settings import Window
from tests.support.references import (
    cuts,
    sessions,
    streams,
)
from tests.support.windowing import Arrival, Emitted, run, watermarks


@given(sessions, st.lists(st.integers(0, 500), max_size=60))
def test_sessions_of_ordered_events_are_split_at_the_gaps(window: Window, times: list[int]) -> None:
    gap = int(window.gap.total_seconds())
    expected: list[list[int]] = []
    for ts in sorted(times):
        if expected and ts - expected[-1][-1] < gap:
            expected[-1].append(ts)
        else:
            expected.append([ts])
    emitted = run(window, [Arrival(ts) for ts in sorted(times)])
    assert sorted(emitted.final()) == [(s[0], s[-1] + gap) for s in expected]
    assert [len(rows) for _, rows in sorted(emitted.final().items())] == [len(s) for s in expected]


@given(sessions, streams, cuts)
def test_sessions_conserve_events_and_never_overlap(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    emitted = run(window, arrivals, at)
    last = last_revisions(emitted, arrivals)
    placed = [i for rows in last.values() for i in rows]
    assert sorted([*placed, *emitted.late]) == list(range(len(arrivals)))
    marks, gap = watermarks(window, arrivals), window.gap.total_seconds()
    lateness = window.allowed_lateness.total_seconds()
    for i in emitted.late:
        assert arrivals[i].ts < marks[i] - lateness
    for rows in last.values():
        times = sorted(arrivals[i].ts for i in rows)
        assert all(b - a < gap for a, b in itertools.pairwise(times))
    by_start = sorted(last)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(by_start))


def last_revisions(emitted: Emitted, arrivals: list[Arrival]) -> dict[tuple[int, int], tuple[int, ...]]:
    """A revised session may have another start or end: it replaces those whose events it holds."""
    last: dict[tuple[int, int], tuple[int, ...]] = {}
    for ref, rows in emitted.windows:
        last = {w: r for w, r in last.items() if not set(r) & set(rows)}
        last[ref.start, ref.end] = rows
    return last
