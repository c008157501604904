"""Streams and settings that Hypothesis draws, and the windows of a stream by their definition.

The references keep no state: they look at each event by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa
from hypothesis import strategies as st

from dataflow.settings import Window
from dataflow.window.sample import levels
from tests.support.windowing import Arrival, spec

EPOCHS = st.sampled_from([0, -5_000_000_000, 1_700_000_000])

modes = st.sampled_from(["stream", "key"])

aligned = st.builds(
    lambda length, slide, delay, lateness, mode: spec(
        kind="sliding",
        length=length,
        slide=min(slide, length),
        delay=delay,
        allowed_lateness=lateness,
        watermark=mode,
    ),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
    modes,
) | st.builds(
    lambda length, delay, mode: spec(kind="tumbling", length=length, delay=delay, watermark=mode),
    st.integers(1, 60),
    st.integers(0, 30),
    modes,
)

tumbling_of_10 = spec(kind="tumbling", length=10, delay=0)

sessions = st.builds(
    lambda gap, delay, lateness, mode: spec(
        kind="session", gap=gap, delay=delay, allowed_lateness=lateness, watermark=mode
    ),
    st.integers(1, 40),
    st.integers(0, 30),
    st.just(0) | st.integers(1, 40),
    modes,
)

#: Of three key groups, the keys ``k`` and ``l`` are in one group, and ``a`` is in another.
keys = st.sampled_from("kkkla")

streams = st.builds(
    lambda base, events: [Arrival(base + ts, p, key) for ts, p, key in events],
    EPOCHS,
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["p0", "p1"]), keys), max_size=60),
)

cuts = st.lists(st.integers(0, 60), max_size=8)


def spans(window: Window, ts: int) -> list[tuple[int, int]]:
    """The windows of an event, by trying them all; seconds."""
    length = int(window.length.total_seconds())
    slide = length if window.kind == "tumbling" else int(window.slide.total_seconds())
    near = range(ts // slide - length // slide - 2, ts // slide + 2)
    return [(k * slide, k * slide + length) for k in near if k * slide <= ts < k * slide + length]


def watermarks(window: Window, arrivals: Sequence[Arrival], partitions: Iterable[str] = ()) -> list[float]:
    """The watermark before each event, in seconds, from its definition. ``partitions`` have records."""
    delay = window.delay.total_seconds()
    newest = dict.fromkeys(partitions, float("-inf"))
    own: dict[str, dict[str, float]] = defaultdict(dict)
    mark: dict[str, float] = defaultdict(lambda: float("-inf"))
    marks = []
    for arrival in arrivals:
        scope = arrival.key if window.watermark == "key" else ""
        marks.append(mark[scope])
        for times in (newest, own[scope]):
            times[arrival.partition] = max(times.get(arrival.partition, float("-inf")), arrival.ts)
        # In a partition that gave events of the key, only these count.
        mark[scope] = max(mark[scope], min({**newest, **own[scope]}.values()) - delay)
    return marks


#: A key and a window of it, in seconds.
KeySpan = tuple[str, tuple[int, int]]


def reference(window: Window, arrivals: Sequence[Arrival]) -> tuple[dict[KeySpan, frozenset[int]], set[int]]:
    """Each window's events at its last emission, and the late events: no state, every event by itself."""
    lateness = window.allowed_lateness.total_seconds()
    windows, late = defaultdict(set), set()
    for i, (arrival, mark) in enumerate(zip(arrivals, watermarks(window, arrivals), strict=True)):
        still = [(start, end) for start, end in spans(window, arrival.ts) if end + lateness > mark]
        for w in still:
            windows[arrival.key, w].add(i)
        if not still:
            late.add(i)
    return {w: frozenset(rows) for w, rows in windows.items()}, late


def sample(members: Iterable[int], limit: int) -> frozenset[int]:
    """The events of the lowest level that is not too many, from the definition."""
    level = {i: int(n) for i, n in zip(members, levels(pa.array([f"{i:06d}" for i in members])), strict=True)}
    lowest = next(
        k
        for k in range(65)
        if sum(n >= k for n in level.values()) <= limit or not any(n > k for n in level.values())
    )
    return frozenset(i for i, n in level.items() if n >= lowest)
