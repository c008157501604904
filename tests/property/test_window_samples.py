"""A window of a key with more rows or bytes than its limit is a sample that depends on ids alone."""

from collections.abc import Collection, Iterable

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.key_state import KeyState
from dataflow.window.sample import levels, row_bytes
from tests.support.references import aligned, cuts, reference, sample, sessions, streams
from tests.support.windowing import Arrival, Stage, batch, pieces, run, spec

#: All rows of these tests have as many bytes.
ROW_BYTES = int(row_bytes(batch([Arrival(0)]))[0])
limits = st.sampled_from(["max_window_rows", "max_window_bytes"])


def limited(window: Window, by: str, rows: int) -> Window:
    """``window`` with a limit of ``rows`` rows, in rows or in bytes."""
    return window.model_copy(update={by: rows if by == "max_window_rows" else rows * ROW_BYTES})


def seen(stage: Stage) -> dict[tuple[str, tuple[int, int]], int | None]:
    """How many events of each window came in time, by its last emission."""
    return {
        (key, (window.ref.start // 1_000_000, window.ref.end // 1_000_000)): window.seen
        for group in stage.groups.values()
        for whole in group.emitted
        for key in set(whole.gather().column("key").to_pylist())
        for window in [whole.window(key)]
    }


@given(aligned, streams, cuts, st.integers(1, 12), st.sets(st.integers(0, 8)), limits)
def test_a_limited_window_is_a_sample_by_id_alone(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, crashes: set[int], by: str
) -> None:
    stage = Stage(limited(window, by, limit))
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number in crashes:
            stage.crash()
        stage.push(arrivals[start:stop], start)
    emitted = stage.finish()
    members, late = reference(window, arrivals)
    assert emitted.final() == {w: sample(m, limit) for w, m in members.items()}
    assert set(emitted.late) == late
    assert seen(stage) == {w: len(m) for w, m in members.items()}


@given(aligned | sessions, streams, cuts, st.integers(1, 12), limits)
@example(
    spec(kind="tumbling", length=1, delay=0),
    [Arrival(1), Arrival(0), Arrival(0), Arrival(1)],
    [],
    1,
    "max_window_rows",
)
@example(
    spec(kind="sliding", length=2, slide=1, delay=0),
    [Arrival(0, "p1"), Arrival(129, "p0"), Arrival(128, "p0"), Arrival(129, "p1")],
    [],
    1,
    "max_window_rows",
)
def test_a_key_holds_no_more_than_its_windows_may_have(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, by: str
) -> None:
    stage = Stage(limited(window, by, limit))
    for start, stop in pieces(len(arrivals), at):
        stage.push(arrivals[start:stop], start)
        for group in stage.groups.values():
            for state in group.machine._group.keys.values():
                windows = {w for pane in state.panes() for w in range(pane.first, pane.last + 1)}
                most = sum(max(limit, _rows_of_highest_level(state, window)) for window in windows)
                assert sum(size.rows for size in state.cells.values()) <= most


def _rows_of_highest_level(state: KeyState, window: int) -> int:
    """A window keeps these, even if they are more than its limit."""
    cells = state.of_window(window, 0)
    highest = max((cell.level for cell, _ in cells), default=0)
    return sum(size.rows for cell, size in cells if cell.level == highest)


@given(sessions, st.lists(st.integers(0, 500), max_size=60), st.integers(1, 12), cuts, limits)
def test_a_limited_session_is_a_sample_too(
    window: Window, times: list[int], limit: int, at: list[int], by: str
) -> None:
    arrivals = [Arrival(ts) for ts in sorted(times)]
    whole = run(window, arrivals).final()
    of_limited = run(limited(window, by, limit), arrivals, at).final()
    assert of_limited == {w: sample(m, limit) for w, m in whole.items()}


@given(aligned, streams, cuts, st.integers(1, 12), st.integers(1, 12), st.integers(0, 8), limits)
@example(
    spec(kind="tumbling", length=1, delay=0, allowed_lateness=1),
    [Arrival(0), Arrival(1), Arrival(1), Arrival(0)],
    [],
    1,
    1,
    0,
    "max_window_rows",
)
def test_a_sample_may_have_another_size_on_the_same_store(
    window: Window, arrivals: list[Arrival], at: list[int], limit: int, later: int, change: int, by: str
) -> None:
    """Each window is a sample of its events by their ids alone: all events of some level and above."""
    stage = Stage(limited(window, by, limit))
    for number, (start, stop) in enumerate(pieces(len(arrivals), at)):
        if number == change:
            stage.spec = limited(window, by, later)
            stage.crash()
        stage.push(arrivals[start:stop], start)
    emitted = stage.finish()
    members, late = reference(window, arrivals)
    assert set(emitted.late) == late
    for w, rows in emitted.final().items():
        assert rows == _from_lowest_level(members[w], rows)


def _from_lowest_level(ids: Collection[int], rows: Iterable[int]) -> set[int]:
    of = dict(zip(ids, levels(pa.array([f"{i:06d}" for i in ids])).tolist(), strict=True))
    lowest = min(of[i] for i in rows)
    return {i for i in ids if of[i] >= lowest}
