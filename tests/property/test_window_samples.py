"""A window with more rows than ``window.max_window_rows`` is a sample that depends on ids alone."""

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.counts import SLACK
from dataflow.window.sample import levels
from tests.support.references import aligned, cuts, reference, sample, sessions, streams
from tests.support.windowing import Arrival, Harness, pieces, run, spec


@given(aligned, streams, cuts, st.integers(1, 12), st.sets(st.integers(0, 8)))
def test_a_limited_window_is_a_sample_by_id_alone(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, crashes: set[int]
) -> None:
    limited = window.model_copy(update={"max_window_rows": limit})
    harness = Harness(limited)
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            harness.crash()
        harness.push(arrivals[start:stop], start)
        windows = {
            w
            for pane in harness.machine._counts.panes()
            for w in harness.machine._assigner.windows_kept(pane)
        }
        assert harness.machine.rows <= (1 + SLACK) * limit * len(windows)
    harness.finish()
    members, late = reference(window, arrivals)
    expected = {w: rows for w, m in members.items() if (rows := sample(sorted(m), limit))}
    # A sample this small may be empty: then an earlier revision of the window is its last one.
    assert {w: rows for w, rows in harness.emitted().final().items() if w in expected} == expected
    assert set(harness.emitted().late) == late
    last = {(w.ref.start // 1_000_000, w.ref.end // 1_000_000): w.seen for w in harness.windows}
    assert {w: last[w] for w in expected} == {w: len(members[w]) for w in expected}


@given(sessions, st.lists(st.integers(0, 500), max_size=60), st.integers(1, 12), cuts)
def test_a_limited_session_is_a_sample_too(
    window: Window, times: list[int], limit: int, at: list[int]
) -> None:
    arrivals = [Arrival(ts) for ts in sorted(times)]
    whole = run(window, arrivals).final()
    limited = run(window.model_copy(update={"max_window_rows": limit}), arrivals, at).final()
    assert limited == {w: s for w, m in whole.items() if (s := sample(sorted(m), limit))}


@given(aligned, streams, cuts, st.integers(1, 12), st.integers(1, 12), st.integers(0, 8))
@example(
    spec(kind="tumbling", length=1, delay=0, allowed_lateness=1),
    [Arrival(0), Arrival(1), Arrival(1), Arrival(0)],
    [],
    1,
    1,
    0,
)
def test_a_sample_may_have_another_size_on_the_same_store(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, later: int, change: int
) -> None:
    """Each window is a sample of its events by their ids alone: all events of some level and above."""
    harness = Harness(window.model_copy(update={"max_window_rows": limit}))
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number == change:
            harness.spec = window.model_copy(update={"max_window_rows": later})
            harness.crash()
        harness.push(arrivals[start:stop], start)
    harness.finish()
    members, late = reference(window, arrivals)
    assert set(harness.emitted().late) == late
    for w, rows in harness.emitted().final().items():
        ids = sorted(members[w])
        if not sample(ids, min(limit, later)):
            continue  # the last sample may be empty, and then an earlier revision is the last emitted one
        of = dict(zip(ids, levels(pa.array([f"{i:06d}" for i in ids])).tolist(), strict=True))
        lowest = min(of[i] for i in rows)
        assert rows == {i for i in ids if of[i] >= lowest}
