"""The rates and latencies of the flow over the last hours, from its metrics."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families

from dataflow.clock import micros, utc_now

#: How often metrics are read, and how many readings are kept: those of six hours.
INTERVAL_S, MOST = 5.0, 4320
#: Name of a series -> the counter.
_COUNTERS = {"records": "driftline_records_total", "rows": "driftline_scored_rows_total"}
#: Name of a series -> the histogram. Seconds.
_LATENCIES = {"flow": "driftline_arrival_latency_seconds", "event": "driftline_event_latency_seconds"}
_SHARES = {"p50": 0.5, "p99": 0.99}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """``counts``: counters. ``latencies``: of each histogram, the edges and the values at or below them."""

    counts: Mapping[str, float]
    latencies: Mapping[str, tuple[tuple[float, ...], Floats]]


@dataclass
class _Growth:
    """What came in ``seconds`` until ``end``, microseconds. ``latencies``: edges -> values in each bucket."""

    end: int
    seconds: float
    counts: dict[str, float]
    latencies: dict[tuple[str, tuple[float, ...]], Floats]

    def add(self, other: "_Growth") -> None:
        self.end, self.seconds = other.end, self.seconds + other.seconds
        for name, value in other.counts.items():
            self.counts[name] = self.counts.get(name, 0.0) + value
        for place, values in other.latencies.items():
            self.latencies[place] = self.latencies[place] + values if place in self.latencies else values


class History:
    """Reads metrics at a fixed interval, and keeps how they grew. Threads may share an object.

    ``read``: the text of each endpoint that answers.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read, self._lock, self._ending = read, Lock(), Event()
        self._last: dict[str, Reading] = {}
        self._at: float | None = None
        self._kept: deque[_Growth] = deque(maxlen=MOST)
        self._thread = Thread(target=self._run, daemon=True, name="metrics")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which may wait for an endpoint."""
        self._ending.set()

    def _run(self) -> None:
        while True:
            started = monotonic()
            self.take(self._read(), micros(utc_now()), started)
            if self._ending.wait(max(0.0, INTERVAL_S - (monotonic() - started))):
                return

    def take(self, texts: Mapping[str, str], now: int, at: float) -> None:
        """Take what endpoints say. ``now``: microseconds; ``at``: monotonic seconds."""
        readings = {}
        for url, text in texts.items():
            # The view of health says which endpoint gives something else.
            with suppress(ValueError):
                readings[url] = reading_of(text)
        with self._lock:
            if self._at is not None:
                growth = _Growth(now, at - self._at, {}, {})
                for url, reading in readings.items():
                    if url in self._last:
                        _grow(growth, self._last[url], reading)
                self._kept.append(growth)
            self._last, self._at = readings, at

    def series(self, most: int) -> dict[str, Any]:
        """What ``/api/metrics`` answers. ``most``: how many points there may be."""
        with self._lock:
            kept = list(self._kept)
        size = max(1, math.ceil(len(kept) / most))
        points = [_joined(kept[start : start + size]) for start in range(0, len(kept), size)]
        rates = {
            name: [each.counts[name] / each.seconds if name in each.counts else None for each in points]
            for name in _COUNTERS
        }
        latencies = {
            name: {
                label: [_quantile(each, name, share) for each in points] for label, share in _SHARES.items()
            }
            for name in _LATENCIES
        }
        return {
            "interval_s": INTERVAL_S * size,
            "times": [each.end for each in points],
            **rates,
            "latency": latencies,
        }


def reading_of(text: str) -> Reading:
    """The counters and histograms of a text of metrics. Raises ``ValueError``."""
    counts: dict[str, float] = {}
    found: dict[str, list[tuple[float, float]]] = {}
    names = {name: series for series, name in _COUNTERS.items()}
    buckets = {f"{name}_bucket": series for series, name in _LATENCIES.items()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in names and math.isfinite(sample.value):
                counts[names[sample.name]] = sample.value
            elif sample.name in buckets:
                edge = float(sample.labels["le"])
                found.setdefault(buckets[sample.name], []).append((edge, sample.value))
    latencies = {}
    for series, pairs in found.items():
        edges, values = zip(*sorted(pairs), strict=True)
        latencies[series] = (edges, np.array(values))
    return Reading(counts, latencies)


def _grow(growth: _Growth, before: Reading, now: Reading) -> None:
    """Add the growth of one endpoint. A process that was started again counts from zero."""
    for name, value in now.counts.items():
        old = before.counts.get(name, 0.0)
        growth.counts[name] = growth.counts.get(name, 0.0) + (value - old if value >= old else value)
    for name, (edges, values) in now.latencies.items():
        known, past = before.latencies.get(name, (edges, np.zeros(len(edges))))
        # The counts of a histogram are cumulative.
        is_same = known == edges and bool((values >= past).all())
        came = np.diff(values - past if is_same else values, prepend=0.0)
        place = (name, edges)
        growth.latencies[place] = growth.latencies.get(place, np.zeros(len(edges))) + came


def _joined(some: Sequence[_Growth]) -> _Growth:
    found = _Growth(some[0].end, 0.0, {}, {})
    for each in some:
        found.add(each)
    return found


def _quantile(growth: _Growth, name: str, share: float) -> float | None:
    """The quantile of the histogram ``name``; ``None``: nothing came."""
    parts = [(edges, values) for (series, edges), values in growth.latencies.items() if series == name]
    return quantile(*max(parts, key=lambda each: float(each[1].sum())), share) if parts else None


def quantile(edges: Iterable[float], values: Floats, share: float) -> float | None:
    """The quantile ``share`` of a histogram, as Prometheus computes it: linear within a bucket.

    ``edges``: the upper edge of each bucket, the last one infinity. ``values``: how many are in each.
    ``None``: there are none. Beyond the last finite edge, it is this edge.

    >>> quantile((1.0, 2.0, float("inf")), np.array([5.0, 5.0, 0.0]), 0.75)
    1.5
    """
    bounds, total = np.array([0.0, *edges]), float(values.sum())
    if not total:
        return None
    sums = np.cumsum(values)
    place = int(np.searchsorted(sums, share * total))
    low, high = bounds[place], bounds[place + 1]
    if not math.isfinite(high):
        return float(low)
    before = float(sums[place] - values[place])
    return float(low + (high - low) * (share * total - before) / values[place])
