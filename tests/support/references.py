"""Streams and settings that Hypothesis draws, and the windows of a stream by their definition.

The references keep no state: they look at each event by itself.
"""

from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.sample import levels
from tests.support.windowing import Arrival, spec, watermarks

EPOCHS = st.sampled_from([0, -5_000_000_000, 1_700_000_000])

aligned = st.builds(
    lambda length, slide, delay, lateness: spec(
        kind="sliding", length=length, slide=min(slide, length), delay=delay, allowed_lateness=lateness
    ),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
) | st.builds(
    lambda length, delay: spec(kind="tumbling", length=length, delay=delay),
    st.integers(1, 60),
    st.integers(0, 30),
)

tumbling_of_10 = spec(kind="tumbling", length=10, delay=0)

sessions = st.builds(
    lambda gap, delay, lateness: spec(kind="session", gap=gap, delay=delay, allowed_lateness=lateness),
    st.integers(1, 40),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
)

streams = st.builds(
    lambda base, events: [Arrival(base + ts, p) for ts, p in events],
    EPOCHS,
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["p0", "p1"])), max_size=60),
)

cuts = st.lists(st.integers(0, 60), max_size=8)


def spans(window: Window, ts: int) -> list[tuple[int, int]]:
    """The windows of an event, by trying them all; seconds."""
    length = int(window.length.total_seconds())
    slide = length if window.kind == "tumbling" else int(window.slide.total_seconds())
    near = range(ts // slide - length // slide - 2, ts // slide + 2)
    return [(k * slide, k * slide + length) for k in near if k * slide <= ts < k * slide + length]


def reference(
    window: Window, arrivals: list[Arrival]
) -> tuple[dict[tuple[int, int], frozenset[int]], set[int]]:
    """Each window's events at its last emission, and the late events: no state, every event by itself."""
    lateness = window.allowed_lateness.total_seconds()
    windows, late = defaultdict(set), set()
    for i, (arrival, mark) in enumerate(zip(arrivals, watermarks(window, arrivals), strict=True)):
        still = [(start, end) for start, end in spans(window, arrival.ts) if end + lateness > mark]
        for w in still:
            windows[w].add(i)
        if not still:
            late.add(i)
    return {w: frozenset(rows) for w, rows in windows.items()}, late


def sample(members: Iterable[int], limit: int) -> frozenset[int]:
    """The events of the lowest level that is not too many, from the definition."""
    level = {i: int(n) for i, n in zip(members, levels(pa.array([f"{i:06d}" for i in members])), strict=True)}
    lowest = next(k for k in range(65) if sum(n >= k for n in level.values()) <= limit)
    return frozenset(i for i, n in level.items() if n >= lowest)
