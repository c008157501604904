"""What happened over time, in buckets of event time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.queries.budget import budget
from dashboard.queries.filters import Filter
from dashboard.queries.ranking import Rankings
from dashboard.queries.shares import clusters, drift
from dashboard.store.store import Moment

_SECOND = 1_000_000
#: The lengths of buckets, in seconds.
_LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Buckets:
    """``count`` buckets of ``length`` microseconds each, from ``start`` on."""

    start: int
    length: int
    count: int

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """``(count,)``: the last microsecond of each bucket."""
        return self.start + self.length * np.arange(1, self.count + 1) - 1

    def of(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """``(n,)``: the bucket of each time; -1: it is outside."""
        found = (times - self.start) // self.length
        return np.where((found >= 0) & (found < self.count), found, -1)

    def counts(self, times: Iterable[int | None], weights: Iterable[int] | None = None) -> list[int]:
        """How many times are in each bucket. ``weights``: what each time counts."""
        known = [(t, w) for t, w in zip(times, weights or _ones(), strict=False) if t is not None]
        found = np.zeros(self.count, np.int64)
        if known:
            of_time = self.of(np.array([time for time, _ in known], np.int64))
            np.add.at(found, of_time[of_time >= 0], np.array([w for _, w in known])[of_time >= 0])
        return [int(each) for each in found]


def over_time(moment: Moment, rankings: Rankings, wanted: Filter, most: int) -> dict[str, Any]:
    """The figures of ``/api/time``. ``most``: how many buckets there may be."""
    mask = rankings.filters.mask(moment, wanted)
    ts = moment.scores.columns["ts"]
    buckets = _buckets(ts, mask, wanted, most)
    of_row = buckets.of(ts).astype(np.int16)
    inside = mask & (of_row >= 0)
    return {
        "generation": moment.generation,
        "bucket_us": buckets.length,
        "start": buckets.start,
        "rows": np.bincount(of_row[inside], minlength=buckets.count).tolist(),
        **{
            name: _quantiles(moment, rankings, name, inside, of_row, buckets.count)
            for name in ("anomaly", "score")
        },
        **_changes(moment, wanted, buckets),
        "budget": budget(moment, wanted.key, buckets.ends),
        "drift": drift(moment, wanted),
        "clusters": clusters(moment, wanted.key),
    }


def _buckets(ts: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_], wanted: Filter, most: int) -> Buckets:
    has_rows = bool(mask.any())
    first = wanted.start if wanted.start is not None else int(ts[mask].min()) if has_rows else 0
    end = wanted.end if wanted.end is not None else int(ts[mask].max()) + 1 if has_rows else first + 1
    length = _nice(max(end - first, 1) / most)
    start = first // length * length
    return Buckets(start, length, min(max(1, -(-(end - start) // length)), most + 1))


def _nice(least_us: float) -> int:
    """A round length of at least ``least_us`` microseconds."""
    found = next((each * _SECOND for each in _LENGTHS if each * _SECOND >= least_us), None)
    return found or -(-int(least_us) // (_LENGTHS[-1] * _SECOND)) * _LENGTHS[-1] * _SECOND


def _quantiles(
    moment: Moment,
    rankings: Rankings,
    name: str,
    inside: npt.NDArray[np.bool_],
    of_row: npt.NDArray[np.int16],
    count: int,
) -> dict[str, list[float | None]]:
    order = rankings.orders.of(moment.scores, name)
    places = order.places[: order.known]
    places = places[inside[places]]
    of_place = of_row[places]
    # The places are in the order of the values; a stable sort of small integers takes linear time.
    values = moment.scores.columns[name][places[np.argsort(of_place, kind="stable")]]
    numbers = np.bincount(of_place, minlength=count)
    starts = np.cumsum(numbers) - numbers
    found: dict[str, list[float | None]] = {}
    for label, share in _QUANTILES.items():
        at = starts + np.floor((numbers - 1) * share).astype(np.int64)
        picked = values[np.clip(at, 0, max(len(values) - 1, 0))] if len(values) else np.zeros(count)
        found[label] = [
            float(value) if number else None for value, number in zip(picked, numbers, strict=True)
        ]
    return found


def _changes(moment: Moment, wanted: Filter, buckets: Buckets) -> dict[str, Any]:
    """What the other streams say of each bucket."""
    alerts = [
        each
        for each in moment.incidents.values()
        if each.row["kind"] == "events" and wanted.key in (None, each.row["key"])
    ]
    decided, more = [], []
    for incident in alerts:
        before = 0
        for change in incident.changes:
            decided.append(change["decided"])
            more.append(max(0, change["count"] - before))
            before = max(before, change["count"])
    late = [row for row in moment.sides["late"] if wanted.key in (None, row["key"])]
    return {
        "incidents": buckets.counts(each.opened for each in alerts),
        "alerting": buckets.counts(decided, more),
        "late": buckets.counts(row["ts"] for row in late),
        "dead_letters": buckets.counts(row["arrival"] for row in moment.sides["dead_letters"]),
        "watermark": _watermarks(late, buckets),
    }


def _watermarks(late: Iterable[Mapping[str, Any]], buckets: Buckets) -> list[int | None]:
    """Where the watermark was when late events came, which alone say so."""
    found: list[int | None] = [None] * buckets.count
    for row in late:
        bucket = int(buckets.of(np.array([row["ts"]], np.int64))[0])
        if bucket >= 0:
            found[bucket] = max(found[bucket] or row["watermark"], row["watermark"])
    return found


def _ones() -> Iterable[int]:
    while True:
        yield 1
