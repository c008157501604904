"""The novelty of the flow, computed offline by libraries that detect outliers.

The rules of the reference (docs/explanation/scores.md) are written here once more, for a whole stream at once
and without state. Of the flow, only the surge is taken: it is one of the two reasons why an event waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors

from dataflow.clock import micros
from dataflow.items.arrays import Bools, Int64s, Vectors
from dataflow.items.hashes import Hashes
from dataflow.score.evidence.candidates import QUARANTINE_STEPS
from dataflow.score.evidence.judge import NOVELTY_QUANTILE, SURGE
from dataflow.score.evidence.members import priorities, sampled
from dataflow.settings import Settings

Numbers = npt.NDArray[np.float64]
#: Takes members, ``(m, dim)``, events, ``(n, dim)``, and a number of neighbours. Returns ``(n,)``: the mean
#: distance of each event to its nearest members.
Peer = Callable[[Vectors, Vectors, int], Numbers]


@dataclass(frozen=True)
class Events:
    """The ``n`` events of one key.

    ``vectors``: ``(n, dim)``, unit vectors. ``ids``: ``(n,)``, the hashes of the ids. ``ts``: ``(n,)``,
    microseconds. ``surge``: ``(n,)``, the surge of each event in its last window; NaN where it is not known.
    """

    vectors: Vectors
    ids: Hashes
    ts: Int64s
    surge: Numbers


def peers() -> dict[str, Peer]:
    """The libraries that are installed. Says what is missing."""
    found: dict[str, Peer] = {"scikit-learn": _scikit_learn}
    if find_spec("pyod"):
        found["PyOD"] = _pyod
    else:
        print("pyod is not installed, so it is not measured: pip install pyod")
    return found


def _scikit_learn(members: Vectors, events: Vectors, neighbours: int) -> Numbers:
    found: Numbers = NearestNeighbors(n_neighbors=neighbours).fit(members).kneighbors(events)[0].mean(axis=1)
    return found


def _pyod(members: Vectors, events: Vectors, neighbours: int) -> Numbers:
    knn = import_module("pyod.models.knn").KNN(n_neighbors=neighbours, method="mean")
    found: Numbers = knn.fit(members).decision_function(events)
    return found


def novelties(events: Events, settings: Settings, libraries: Mapping[str, Peer]) -> dict[str, Numbers]:
    """Library -> ``(n,)``, the largest novelty of each event over its windows; ``-inf`` if there is none.

    The windows are sliding windows, their length is a multiple of ``window.slide``, and no event is late.
    """
    options, n = settings.score, len(events.ts)
    length, slide = micros(settings.window.length), micros(settings.window.slide)
    wait = micros(options.quarantine) if options.quarantine else QUARANTINE_STEPS * slide
    priority = priorities(events.ids, events.ts, micros(options.half_life))
    # The start of the last window of each event.
    last = events.ts // slide * slide
    released = np.zeros(n, np.int64)
    best = {name: np.full(n, -np.inf) for name in libraries}
    for start in _starts(last, length, slide):
        end = start + length
        window = np.flatnonzero((events.ts >= start) & (events.ts < end))
        earlier = np.flatnonzero(events.ts < start)
        sample = earlier[sampled(priority[earlier], options.reference_rows)]
        members = sample[released[sample] <= end]
        if len(members) < options.reference_least:
            continue
        usual = _usual(events, sample, members, last, settings)
        if len(usual) < options.reference_least:
            continue
        known, here = events.vectors[members], events.vectors[window]
        found = {name: peer(known, here, options.novelty_neighbours) for name, peer in libraries.items()}
        for name, values in found.items():
            best[name][window] = np.maximum(best[name][window], values)
        suspect = found["scikit-learn"] > np.quantile(usual, NOVELTY_QUANTILE)
        suspect |= events.surge[window] > SURGE
        released[window[suspect & (last[window] == start)]] = end + wait
    return best


def _starts(last: Int64s, length: int, slide: int) -> list[int]:
    """The starts of all windows that hold events."""
    before = np.arange(0, length, slide)
    starts: list[int] = np.unique(last[:, None] - before).tolist()
    return starts


def _usual(events: Events, sample: Int64s, members: Int64s, last: Int64s, settings: Settings) -> Numbers:
    """The novelties of the sampled events, each beside the members that are not in its own last window."""
    neighbours = settings.score.novelty_neighbours
    starts, ts = last[sample, None], events.ts[members]
    apart: Bools = (ts < starts) | (ts >= starts + micros(settings.window.length))
    compared = apart.sum(axis=1) >= settings.score.reference_least
    squares = 2 - 2 * events.vectors[sample[compared]] @ events.vectors[members].T
    squares[~apart[compared]] = np.inf
    nearest = np.partition(squares, neighbours - 1, axis=1)[:, :neighbours]
    usual: Numbers = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return usual
