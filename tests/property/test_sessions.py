"""Sessions end at the gaps between the events of a key and never overlap."""

import itertools
from collections import defaultdict
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from dataflow.settings import Window
from tests.support.references import cuts, keys, sessions, streams, watermarks
from tests.support.windowing import Arrival, Stage, pieces, run, spec

SHORT = spec(kind="session", gap=38, delay=0)


@given(sessions, st.lists(st.tuples(st.integers(0, 500), keys), max_size=60), cuts)
def test_sessions_of_ordered_events_are_split_at_the_gaps(
    window: Window, events: list[tuple[int, str]], at: list[int]
) -> None:
    gap = int(window.gap.total_seconds())
    expected: dict[str, list[list[int]]] = defaultdict(list)
    for ts, key in sorted(events):
        of_key = expected[key]
        if of_key and ts - of_key[-1][-1] < gap:
            of_key[-1].append(ts)
        else:
            of_key.append([ts])
    emitted = run(window, [Arrival(ts, "p0", key) for ts, key in sorted(events)], at)
    assert {w: len(rows) for w, rows in emitted.final().items()} == {
        (key, (s[0], s[-1] + gap)): len(s) for key, of_key in expected.items() for s in of_key
    }


@given(sessions, streams, cuts)
@example(SHORT, [Arrival(ts, "p0", "k") for ts in (0, 39, 76, 2)], [])
@example(SHORT, [Arrival(ts, "p0", key) for ts, key in zip((0, 76, 39, 2), "klkk", strict=True)], [])
@example(SHORT, [Arrival(ts, "p0", key) for ts, key in zip((0, 90, 53, 16, 2), "klkkk", strict=True)], [])
def test_sessions_conserve_events_and_never_overlap(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    emitted = run(window, arrivals, at)
    last = {
        (key, *w): rows
        for key, windows in emitted.windows.items()
        for w, rows in last_revisions(windows).items()
    }
    placed = [i for rows in last.values() for i in rows]
    assert sorted([*placed, *emitted.late]) == list(range(len(arrivals)))
    marks, gap = watermarks(window, arrivals), window.gap.total_seconds()
    lateness = window.allowed_lateness.total_seconds()
    for i in emitted.late:
        assert arrivals[i].ts < marks[i] - lateness
    for (key, _, _), rows in last.items():
        assert {arrivals[i].key for i in rows} == {key}
        times = sorted(arrivals[i].ts for i in rows)
        assert all(b - a < gap for a, b in itertools.pairwise(times))
    for (key, _, end), (other, start, _) in itertools.pairwise(sorted(last)):
        assert key != other or end <= start


@given(sessions, streams, cuts)
def test_a_session_comes_when_the_watermark_has_passed_its_end(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    """At the latest a tenth of the gap after its end, also for a key that has no event in the batch."""
    stage = Stage(window)
    gap, lateness = window.gap.total_seconds(), window.allowed_lateness.total_seconds()
    for start, stop in pieces(len(arrivals), at):
        stage.push(arrivals[start:stop], start)
        for key in {arrival.key for arrival in arrivals[:stop]}:
            now = watermarks(window, [*arrivals[:stop], Arrival(0, "p0", key)])[-1]
            emitted = [set(rows) for _, rows in stage.emitted().windows.get(key, ())]
            late = stage.emitted().late
            for i, arrival in enumerate(arrivals[:stop]):
                alone = not any(
                    other.key == key and abs(other.ts - arrival.ts) < gap
                    for other in arrivals
                    if other is not arrival
                )
                if arrival.key == key and alone and i not in late and not lateness:
                    assert (arrival.ts + gap > now - gap / 10) or {i} in emitted


def last_revisions(
    windows: Sequence[tuple[tuple[int, int, int], tuple[int, ...]]],
) -> dict[tuple[int, int], tuple[int, ...]]:
    """A revised session may have another start or end: it replaces those whose events it holds."""
    last: dict[tuple[int, int], tuple[int, ...]] = {}
    for (start, end, _), rows in windows:
        last = {w: r for w, r in last.items() if not set(r) & set(rows)}
        last[start, end] = rows
    return last
