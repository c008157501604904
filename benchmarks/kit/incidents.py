"""What rows of alerts say of a stream: how many incidents are new, and which bursts they find."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.labelled import Event
from benchmarks.kit.weeks import DAY_US, HOUR_US
from dataflow.items.schemas import TIMESTAMP

Rows = Sequence[Mapping[str, Any]]


def rate(rows: Rows, first: int, last: int) -> float:
    """New incidents a day that are decided after ``first`` and until ``last``."""
    found: int = sum(row["state"] == "open" and first < row["decided"] <= last for row in rows)
    return found / (last - first) * DAY_US


class Burst(NamedTuple):
    """Events with a label that come together: the times of the first and of the last one."""

    first: int
    last: int


def bursts(events: Sequence[Event], gap_us: int) -> list[Burst]:
    """The bursts of a stream: from one event with a label to the next are ``gap_us`` at most."""
    labelled = [event.line["ts"] for event in events if event.label]
    found: list[Burst] = []
    for ts in sorted(pa.array(labelled, pa.string()).cast(TIMESTAMP).cast(pa.int64()).to_pylist()):
        if found and ts - found[-1].last <= gap_us:
            found[-1] = found[-1]._replace(last=ts)
        else:
            found.append(Burst(ts, ts))
    return found


class Detection(NamedTuple):
    """What incidents say of the bursts of a stream.

    ``found``: for each burst, how many true incidents got events in it. An incident is true if most of its
    examples have a label. ``delays``: for each burst that is found, the seconds of event time from its first
    event to the first row about it. ``true``, ``false``: how many incidents there are in the end.
    """

    found: list[int]
    delays: list[float]
    true: int
    false: int


def detection(events: Sequence[Event], rows: Rows, gap_us: int, length_us: int) -> Detection:
    """``rows``: those of the alerts of ``events``. ``length_us``: how long a window is."""
    labelled = {event.line["id"] for event in events if event.label}
    last = {row["incident"]: row for row in rows}
    into = {id: row["merged_into"] for id, row in last.items()}
    true = {
        id: bool(np.mean([each["id"] in labelled for each in row["examples"]]) > 0.5)
        for id, row in last.items()
        if row["state"] not in ("merged", "withdrawn")
    }
    grown = [(row, id) for row in _grown(rows) if true.get(id := _root(row["incident"], into), False)]
    found, delays = [], []
    for burst in bursts(events, gap_us):
        about = [(row["decided"], id) for row, id in grown if _is_about(row, burst, length_us)]
        found.append(len({id for _, id in about}))
        if about:
            delays.append((min(about)[0] - burst.first) / 1e6)
    return Detection(found, delays, sum(true.values()), len(true) - sum(true.values()))


def _grown(rows: Rows) -> Iterator[Mapping[str, Any]]:
    """The rows after which an incident has more events than before."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["count"] > counts[row["incident"]]:
            yield row
        counts[row["incident"]] = row["count"]


def _is_about(row: Mapping[str, Any], burst: Burst, length_us: int) -> bool:
    """Whether a row was decided during a burst, or until a window later, and not for an earlier event."""
    return bool(burst.first <= row["last_ts"] and burst.first < row["decided"] <= burst.last + length_us)


def _root(incident: str, into: Mapping[str, str | None]) -> str:
    """The incident that an incident ended in."""
    while (other := into[incident]) is not None:
        incident = other
    return incident


def open_hours(rows: Rows) -> list[float]:
    """For each incident, the hours from the first row to the last one."""
    times: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        times[row["incident"]].append(row["decided"])
    return [(max(each) - min(each)) / HOUR_US for each in times.values()] or [0.0]
