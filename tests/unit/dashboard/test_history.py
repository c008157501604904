"""The rates and latencies that the page samples from the metrics of a flow."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.history import History, quantile
from tests.support.page import opened

EDGES = (1.0, 2.0, 5.0, float("inf"))
URL, OTHER = "http://a/metrics", "http://b/metrics"


def text(records: float, seconds: list[float]) -> str:
    lines = ["# TYPE driftline_records counter", f"driftline_records_total {records}"]
    lines.append("# TYPE driftline_arrival_latency_seconds histogram")
    for edge in EDGES:
        count = sum(each <= edge for each in seconds)
        name = "+Inf" if edge == float("inf") else str(edge)
        lines.append(f'driftline_arrival_latency_seconds_bucket{{le="{name}"}} {count}')
    return "\n".join(lines) + "\n"


def history() -> History:
    return History(dict)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40), st.integers(1, 9))
def test_rates_sum_up_to_what_the_counter_grew(growth: list[int], most: int) -> None:
    kept, totals = history(), np.cumsum(growth).tolist()
    for step, total in enumerate(totals):
        kept.take({URL: text(total, [])}, step * 5_000_000, 5.0 * step)
    found = kept.series(most)
    assert len(found["times"]) <= most
    assert found["times"][-1] == (len(totals) - 1) * 5_000_000
    assert all(one < other for one, other in pairwise(found["times"]))
    seconds = np.diff([0, *found["times"]]) / 1e6
    assert float(found["records"] @ seconds) == pytest.approx(totals[-1] - totals[0])


def test_a_process_that_starts_again_counts_from_zero_and_a_silent_one_is_a_gap() -> None:
    kept = history()
    said = [{URL: text(100, []), OTHER: text(10, [])}, {URL: text(150, []), OTHER: text(20, [])}, {}]
    said += [{URL: text(160, [])}, {URL: text(30, [])}, {URL: "<html>"}, {URL: text(1, [])}]
    for step, texts in enumerate(said):
        kept.take(texts, step * 5_000_000, 5.0 * step)
    assert kept.series(100)["records"] == [12.0, None, None, 6.0, None, None]


def test_a_latency_is_that_of_its_interval() -> None:
    kept, seconds = history(), [0.5] * 100
    kept.take({URL: text(0, seconds)}, 0, 0.0)
    for step, came in enumerate(([4.0] * 10, [], [9.0] * 10), 1):
        seconds += came
        kept.take({URL: text(0, seconds)}, step * 5_000_000, 5.0 * step)
    assert kept.series(100)["latency"]["flow"]["p50"] == [3.5, None, 5.0]
    assert kept.series(100)["latency"]["event"]["p50"] == [None] * 3


@given(st.lists(st.floats(0.01, 4.99), min_size=1, max_size=50), st.floats(0.01, 1.0))
@example([1.0], 1.0)
def test_a_quantile_is_in_the_bucket_of_the_value(values: list[float], share: float) -> None:
    # A bucket holds its upper edge.
    counts = np.bincount(np.searchsorted(EDGES, values), minlength=len(EDGES)).astype(float)
    found = quantile(EDGES, counts, share)
    assert found is not None
    exact = sorted(values)[max(0, int(np.ceil(share * len(values) - 1e-9)) - 1)]
    edges = np.array([0.0, *EDGES[:-1]])
    place = np.searchsorted(edges, exact)
    assert edges[place - 1] <= found <= edges[place]


def test_the_ring_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.history.MOST", 3)
    kept = history()
    for step in range(9):
        kept.take({URL: text(step, [])}, step, float(step))
    assert kept.series(100)["times"] == [6, 7, 8]


def test_metrics_need_an_endpoint(tmp_path: Path) -> None:
    with opened(tmp_path) as client:
        assert "--metrics URL" in client.json("metrics", 404)["error"]
