"""What becomes of the clusters of a key from window to window."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.schemas import CLUSTERS
from dataflow.score.clusters.lloyd import Doubles
from dataflow.score.clusters.state import KeyClusters

#: The normal deviate that chance exceeds, in either direction, once in a thousand times.
_DEVIATE = 3.29
#: How many rows of the cluster each window has to be expected to have, for the deviate to be normal.
_LEAST_EXPECTED = 5.0
#: How many times as large the greater share has to be.
_LEAST_RATIO = 1.25
_MOST_EXAMPLES = 2


class Change(NamedTuple):
    """One cluster of a window; the fields are those of :data:`dataflow.items.schemas.CLUSTERS`."""

    cluster: int
    state: str
    share: float
    before: float
    examples: list[str]


def trend(rows: int, total: int, rows_before: int, total_before: int) -> str:
    """``growing``, ``fading`` or ``steady``: how the share of a cluster changes.

    The shares are ``rows / total`` and ``rows_before / total_before``. The cluster is steady unless all three
    hold: the two-proportion z-test with Yates' correction says at the level 0.001 that the shares differ; if
    they did not differ, each window would be expected to have at least 5 rows of the cluster (Cochran's
    rule); the greater share is at least 1.25 times the smaller one, because in a large window the test finds
    any change. Source: Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", 2003, chapter
    3. Windows that overlap have rows in common, so a change of them is found later. ``total`` and
    ``total_before`` are 1 or more.

    >>> trend(30, 100, 10, 100), trend(3, 10, 1, 10), trend(10, 100, 300, 1000)
    ('growing', 'steady', 'fading')
    """
    share, before = rows / total, rows_before / total_before
    pooled = (rows + rows_before) / (total + total_before)
    each = 1 / total + 1 / total_before
    error = math.sqrt(pooled * (1 - pooled) * each)
    is_large = pooled * min(total, total_before) >= _LEAST_EXPECTED
    is_clear = abs(share - before) - each / 2 >= _DEVIATE * error
    if not (is_large and is_clear and max(share, before) >= _LEAST_RATIO * min(share, before)):
        return "steady"
    return "growing" if share > before else "fading"


def changes(now: KeyClusters, before: KeyClusters | None, examples: Sequence[list[str]]) -> list[Change]:
    """The clusters of a window by ascending number, those that are gone included.

    A number that ``before`` does not have is ``new``; a number that only ``before`` has is ``gone``. The next
    window is compared with ``now``, so a number is gone only once. ``examples``: the texts of each cluster of
    ``now``.

    >>> centroids = np.zeros((2, 1), np.float32)
    >>> before = KeyClusters(np.array([0, 1]), np.array([5, 5]), np.zeros(2), centroids, 2, "m")
    >>> now = KeyClusters(np.array([1, 2]), np.array([6, 2]), np.zeros(2), centroids, 3, "m")
    >>> for change in changes(now, before, [["a"], ["b"]]):
    ...     print(change.cluster, change.state, change.share, change.before, change.examples)
    0 gone 0.0 0.5 []
    1 steady 0.75 0.5 ['a']
    2 new 0.25 0.0 ['b']
    """
    total, total_before, old = int(now.sizes.sum()), 0, dict[int, int]()
    if before is not None:
        total_before = int(before.sizes.sum())
        old = dict(zip(before.numbers.tolist(), before.sizes.tolist(), strict=True))
    found = []
    for number, rows, texts in zip(now.numbers.tolist(), now.sizes.tolist(), examples, strict=True):
        rows_before = old.pop(number, 0)
        state = trend(rows, total, rows_before, total_before) if rows_before else "new"
        found.append(Change(number, state, rows / total, rows_before / max(total_before, 1), texts))
    found += [Change(number, "gone", 0.0, rows / total_before, []) for number, rows in old.items()]
    return sorted(found)


def nearest_texts(texts: pa.Array, distances: Doubles, numbers: Int64s, of: Int64s) -> list[list[str]]:
    """Up to two different texts of each cluster, those of the rows that are nearest to the centroid.

    Among equally near rows, the first ones come first. ``texts``, ``distances``, ``numbers``: ``(n,)``, the
    text of each row, its distance to its centroid, and the number of its cluster. ``of``: the numbers.

    >>> texts, distances = pa.array(["a", "b", "b", "c"]), np.array([0.3, 0.1, 0.1, 0.2])
    >>> nearest_texts(texts, distances, np.array([4, 4, 4, 4]), np.array([4, 7]))
    [['b', 'c'], []]
    """
    order = np.lexsort((distances, numbers))
    bounds = np.searchsorted(numbers[order], np.stack([of, of + 1])).T.tolist()
    return [_different(texts, order[start:stop].tolist()) for start, stop in bounds]


def _different(texts: pa.Array, rows: list[int]) -> list[str]:
    found: list[str] = []
    for row in rows:
        text = texts[row].as_py()
        if text not in found:
            found.append(text)
        if len(found) == _MOST_EXAMPLES:
            break
    return found


def column(windows: Sequence[Sequence[Change]]) -> pa.Array:
    """The column :data:`CLUSTERS` of as many rows as there are ``windows``.

    >>> column([[Change(3, "new", 1.0, 0.0, ["a"])], []]).to_pylist()
    [[{'cluster': 3, 'state': 'new', 'share': 1.0, 'before': 0.0, 'examples': ['a']}], []]
    """
    rows = [[change._asdict() for change in window] for window in windows]
    return pa.array(rows, CLUSTERS.type)
