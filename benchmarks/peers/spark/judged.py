"""What the arrivals of a run say: how fast, how whole, how soon.

The engines are judged by :func:`benchmarks.peers.engines.tasks.judge`, which knows the right distances. Here
the clusters depend on a model, so runs are compared with each other, and each row says when it came and how
many events were scored with it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.peers.spark.arrivals import Arrival


def events_per_second(
    arrivals: Sequence[Arrival], copies: float, last: float = float("inf"), warm_up: float = 0.3
) -> float:
    """Events per second after the first ``warm_up`` of the rows. ``copies``: rows for each event.

    ``last``: windows that start later are not counted: those that the end of the stream closes all at once,
    if a program waits for whole windows.
    """
    arrivals = [arrival for arrival in arrivals if arrival.window <= last]
    times = np.sort([arrival.at for arrival in arrivals])
    begin = times[int(len(times) * warm_up)]
    counted = int((times > begin).sum())
    return counted / copies / float(times[-1] - begin) if counted else float("nan")


class Whole(NamedTuple):
    """``windows``: that should have been scored. ``whole``: scored once, with all of their events.

    ``missing``: rows that never came.
    """

    windows: int
    whole: int
    missing: int


def whole(arrivals: Sequence[Arrival], members: Mapping[int, Collection[str]]) -> Whole:
    """How many windows were scored as a whole."""
    rows: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        rows[arrival.window].append(arrival)
    complete = missing = 0
    for window, ids in members.items():
        found = rows.get(window, [])
        missing += len(set(ids) - {arrival.id for arrival in found})
        complete += sorted(arrival.id for arrival in found) == sorted(ids) and all(
            arrival.rows == len(ids) for arrival in found
        )
    return Whole(len(members), complete, missing)


def delays(arrivals: Sequence[Arrival], decided: Mapping[int, float]) -> list[float]:
    """For each window of ``decided``, seconds from that moment to its last row."""
    last: dict[int, float] = {}
    for arrival in arrivals:
        last[arrival.window] = max(last.get(arrival.window, 0.0), arrival.at)
    return [last[window] - at for window, at in decided.items() if window in last]


def same_scores(one: Sequence[Arrival], other: Sequence[Arrival]) -> float:
    """The largest difference of two scores of the same event in the same window, over windows in both."""
    scores = {(arrival.window, arrival.id): arrival.score for arrival in one}
    pairs = [
        abs(scores[arrival.window, arrival.id] - arrival.score)
        for arrival in other
        if (arrival.window, arrival.id) in scores
    ]
    return max(pairs, default=float("nan"))
