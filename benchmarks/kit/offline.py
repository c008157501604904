"""The novelty of the flow, computed offline by libraries that detect outliers.

The rules of the reference (docs/explanation/scores.md) are written here once more, for a whole stream at once
and without state. Of the flow, only the surge is taken: it is one of the two reasons why an event waits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from benchmarks.kit.figures import not_measured
from dataflow.clock import micros
from dataflow.items.arrays import Bools, Int64s
from dataflow.items.hashes import Hashes
from dataflow.score.evidence.candidates import QUARANTINE_STEPS
from dataflow.score.evidence.judge import NOVELTY_QUANTILE, SURGE
from dataflow.score.evidence.members import priorities, sampled
from dataflow.settings import Settings

Numbers = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.floating[Any]]
#: Takes members, ``(m, dim)``, events, ``(n, dim)``, and a number of neighbours. Returns ``(n,)``: the mean
#: distance of each event to its nearest members.
Peer = Callable[[Vectors, Vectors, int], Numbers]


@dataclass(frozen=True)
class Events:
    """The ``n`` events of one key.

    ``vectors``: ``(n, dim)``. ``ids``: ``(n,)``, the hashes of the ids. ``ts``: ``(n,)``,
    microseconds. ``surge``: ``(n,)``, the surge of each event in its last window; NaN where it is not known.
    """

    vectors: Vectors
    ids: Hashes
    ts: Int64s
    surge: Numbers


def peers() -> dict[str, Peer]:
    """The libraries that are installed. Says what is missing."""
    found: dict[str, Peer] = {"scikit-learn": scikit_learn}
    if find_spec("pyod"):
        found["PyOD"] = _pyod
    else:
        not_measured("PyOD", "it is not installed: pip install pyod")
    return found


def scikit_learn(members: Vectors, events: Vectors, neighbours: int) -> Numbers:
    """``NearestNeighbors``: the exact distances."""
    found: Numbers = NearestNeighbors(n_neighbors=neighbours).fit(members).kneighbors(events)[0].mean(axis=1)
    return found


def _pyod(members: Vectors, events: Vectors, neighbours: int) -> Numbers:
    knn = import_module("pyod.models.knn").KNN(n_neighbors=neighbours, method="mean")
    found: Numbers = knn.fit(members).decision_function(events)
    return found


class Compared(NamedTuple):
    """A window that was compared with its reference.

    ``start``: microseconds. ``rows``: ``(m,)``, which of the events are in the window. ``novelty``:
    library -> ``(m,)``.
    """

    start: int
    rows: Int64s
    novelty: dict[str, Numbers]


def novelties(events: Events, settings: Settings, libraries: Mapping[str, Peer]) -> Iterator[Compared]:
    """Each window for which the reference knows enough.

    ``libraries``: scikit-learn is one of them, and its novelties say which events wait. The windows are
    sliding windows, their length is a multiple of ``window.slide``, and no event is late.
    """
    options = settings.score
    length, slide = micros(settings.window.length), micros(settings.window.slide)
    wait = micros(options.quarantine) if options.quarantine else QUARANTINE_STEPS * slide
    priority = priorities(events.ids, events.ts, micros(options.half_life))
    # The start of the last window of each event.
    last = events.ts // slide * slide
    released = np.zeros(len(last), np.int64)
    for start in np.unique(last[:, None] - np.arange(0, length, slide)).tolist():
        end = start + length
        earlier = np.flatnonzero(events.ts < start)
        sample = earlier[sampled(priority[earlier], options.reference_rows)]
        members = sample[released[sample] <= end]
        if len(members) < options.reference_least:
            continue
        usual = _usual(events, sample, members, last, settings)
        if len(usual) < options.reference_least:
            continue
        rows = np.flatnonzero((events.ts >= start) & (events.ts < end))
        known, window = events.vectors[members], events.vectors[rows]
        found = {name: peer(known, window, options.novelty_neighbours) for name, peer in libraries.items()}
        yield Compared(start, rows, found)
        suspect = found["scikit-learn"] > np.quantile(usual, NOVELTY_QUANTILE)
        suspect |= events.surge[rows] > SURGE
        released[rows[suspect & (last[rows] == start)]] = end + wait


def _usual(events: Events, sample: Int64s, members: Int64s, last: Int64s, settings: Settings) -> Numbers:
    """The novelties of the sampled events, each beside the members that are not in its own last window."""
    neighbours = settings.score.novelty_neighbours
    starts, ts = last[sample, None], events.ts[members]
    apart: Bools = (ts < starts) | (ts >= starts + micros(settings.window.length))
    compared = apart.sum(axis=1) >= settings.score.reference_least
    if not compared.any():
        return np.empty(0)
    distances = euclidean_distances(events.vectors[sample[compared]], events.vectors[members])
    distances[~apart[compared]] = np.inf
    usual: Numbers = np.partition(distances, neighbours - 1, axis=1)[:, :neighbours].mean(axis=1)
    return usual
