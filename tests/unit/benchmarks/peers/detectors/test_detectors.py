"""Detectors of libraries and Driftline are compared on the same rows, whatever their order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.kit.labelled import Case, Event
from benchmarks.peers.detectors.measured import Measured, figures, judged, read, windows
from benchmarks.quality import Quality
from dataflow.embed import open_embedder
from dataflow.settings import Embed


def case(
    seconds: list[int], labels: list[bool] | None = None, environ: Mapping[str, str] | None = None
) -> Case:
    labels = labels or [False] * len(seconds)
    lines: list[Mapping[str, Any]] = [
        {"id": f"e{row}", "ts": f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z", "text": f"text {row}"}
        for row, at in enumerate(seconds)
    ]
    events = [Event(dict(line), label) for line, label in zip(lines, labels, strict=True)]
    return Case("a stream", events, environ or {})


@given(st.lists(st.integers(0, 3599), min_size=1, max_size=40))
def test_a_stream_is_read_in_the_order_of_time(seconds: list[int]) -> None:
    embedder = open_embedder(Embed(kind="null", dim=4))
    stream = read(case(seconds), embedder)
    assert [seconds[row] for row in stream.order] == sorted(seconds)
    texts = [f"text {row}" for row in stream.order]
    assert stream.vectors.tolist() == embedder.embed(texts).vectors.tolist()
    assert stream.windows[:, 2].max() == len(seconds)


def test_the_windows_are_those_of_the_flow() -> None:
    embedder = open_embedder(Embed(kind="null", dim=4))
    hour = {"DRIFTLINE_WINDOW__LENGTH": "1h", "DRIFTLINE_WINDOW__SLIDE": "1h"}
    stream = read(case([10, 20, 3000], environ=hour), embedder)
    assert stream.windows.tolist() == [[0, 0, 3]]


@given(st.permutations(range(6)))
def test_values_belong_to_their_events_whatever_the_order(order: list[int]) -> None:
    stream = case([0] * 6, labels=[False, False, True, False, True, False])
    best = [float(stream.events[row].label is True) for row in order]
    found = judged(stream, np.array(order), {"values": best, "cpu_s": 3.0, "windows": 2})
    assert found == Measured(Quality(1.0, 1.0, 1.0), 1500.0)
    unknown = judged(stream, np.array(order), {"values": [None] * 6, "cpu_s": 0.0, "windows": 0})
    assert unknown.quality.auroc == pytest.approx(0.5)


def test_the_goal_is_the_best_detector_of_a_library() -> None:
    def each(*aurocs: float, ap: float, ms: float) -> list[Measured]:
        return [Measured(Quality(auroc, ap, 0.0), ms) for auroc in aurocs]

    found = figures(
        "sms",
        {
            "PyOD": each(0.8, 0.9, ap=0.2, ms=100.0),
            "alibi": each(0.5, 0.7, ap=0.4, ms=50.0),
            "Driftline `score`": each(0.99, 0.99, ap=0.99, ms=10.0),
            "Driftline `anomaly`": each(0.8, 0.88, ap=0.5, ms=10.0),
        },
    )
    assert [(figure.name, figure.value, figure.goal) for figure in found] == [
        ("sms: AUROC of `anomaly`, goal: PyOD", pytest.approx(0.84), pytest.approx(0.85)),
        ("sms: average precision of `anomaly`, goal: alibi", 0.5, pytest.approx(0.4)),
        ("sms: CPU of a window, Driftline / PyOD", 0.1, None),
        ("sms: CPU of a window, Driftline / alibi", 0.2, None),
    ]


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 30), st.integers(1, 4), st.integers(1, 20))
def test_a_detector_learns_only_from_events_before_the_window(
    times: list[int], slide: int, overlap: int, known: int
) -> None:
    ts, length = np.sort(np.array(times, np.int64)), slide * overlap
    found = windows(ts, length, slide, known)
    expected = set()
    for start in range(-length // slide * slide, 1001, slide):
        inside = [row for row, at in enumerate(ts) if start <= at < start + length]
        if inside:
            expected.add((max(0, inside[0] - known), inside[0], inside[-1] + 1))
    assert {(known_, first, after) for known_, first, after in found.tolist()} == expected
    assert (np.diff(found[:, 1]) >= 0).all()
