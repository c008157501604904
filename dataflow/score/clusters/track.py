"""Follows the clusters of a key from window to window."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.schemas import embeddings
from dataflow.score.clusters.fit import fit_warm
from dataflow.score.clusters.lloyd import Doubles
from dataflow.score.clusters.numbering import continued
from dataflow.score.clusters.report import Change, changes, nearest_texts
from dataflow.score.clusters.state import Clusters
from dataflow.score.scorers.base import Scores, whole
from dataflow.score.scorers.equal import first_equal
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.score.scorers.quiet import Quiet
from dataflow.settings import Score

#: How many rows are compared with their centroids at a time.
_BLOCK_ROWS = 512


class Tracked(NamedTuple):
    """A window of a key: its scores, where ``cluster`` is the stable number; what became of the clusters, by
    ascending number; and the clusters that the next window starts from.
    """

    scores: Scores
    changes: list[Change]
    clusters: Clusters


class ClusterTracker:
    """KMeans of a window that starts from the clusters of the window before, with numbers that last.

    The first window of a key has the scores and clusters of :class:`KMeansScorer`, to the bit. Each other
    window starts from the centroids of the window before (:func:`fit_warm`). In all windows, the score of an
    event is its Euclidean distance to the centroid of its cluster, and equal events have equal scores. A
    window with no more distinct events than ``score.clusters`` has as many clusters as distinct events, so
    all its scores are 0. A cluster that continues one of the window before (:func:`continued`) has the number
    of that cluster. Each other cluster has a number that the key has never used.

    The tracker itself remembers nothing: equal windows and clusters give equal results, to the bit.
    """

    def __init__(self, options: Score) -> None:
        self._cold, self._quiet = KMeansScorer(options), Quiet()
        self._most, self._seed = options.clusters, options.seed

    def track(self, rows: pa.RecordBatch, before: Clusters | None) -> Tracked:
        """Score the window ``rows``: at least one embedded event of one key, in (``ts``, ``id``) order.

        ``before``: the clusters of the key's window before; ``None``: there is none. If its centroids have
        another ``dim`` than the embeddings, the window starts like a first one, with new numbers.

        >>> vectors = pa.array([[0, 1], [0, 1], [0, 0.9], [1, 0]], pa.list_(pa.float32(), 2))
        >>> rows = pa.record_batch({"text": ["a", "a", "b", "c"], "embedding": vectors})
        >>> tracker = ClusterTracker(Score(clusters=2))
        >>> first = tracker.track(rows, None)
        >>> second = tracker.track(rows.slice(0, 3), first.clusters)
        >>> [(change.state, change.share, change.examples) for change in second.changes]
        [('steady', 0.6666666666666666, ['a']), ('gone', 0.0, []), ('new', 0.3333333333333333, ['b'])]
        """
        vectors = embeddings(rows)
        is_like_before = before is not None and before.centroids.shape[1] == vectors.shape[1]
        first = first_equal(vectors, whole(rows))
        if before is not None and is_like_before:
            labels, distances = self._warm(vectors, first, before)
        else:
            scores = self._cold.score(rows)
            labels, distances = scores.cluster.astype(np.int64), scores.values
        with self._quiet():
            clusters, numbers = _numbered(vectors, labels, distances, before, is_like_before)
        distinct = np.flatnonzero(first == np.arange(len(first)))
        texts = rows.column("text").take(pa.array(distinct))
        examples = nearest_texts(texts, distances[distinct], numbers[distinct], clusters.numbers)
        found = changes(clusters, before, examples)
        return Tracked(Scores.of(distances, numbers), found, clusters)

    def _warm(self, vectors: Vectors, first: Int64s, before: Clusters) -> tuple[Int64s, Doubles]:
        """The cluster of each row, and the distance of the row to its centroid, ``(n,)`` each."""
        is_first = first == np.arange(len(first))
        if np.count_nonzero(is_first) <= self._most:
            return (np.cumsum(is_first) - 1)[first], np.zeros(len(first))
        with self._quiet():
            # score.clusters may be less than at the last start.
            largest = np.argsort(-before.sizes, kind="stable")[: self._most]
            fit = fit_warm(vectors, before.centroids[np.sort(largest)], self._most, self._seed)
        centroids, distances = fit.centroids.astype(np.float32), np.empty(len(vectors))
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            distances[block] = np.linalg.norm(vectors[block] - centroids[fit.labels[block]], axis=1)
        # Rounding depends on the place of a row in a matrix, so equal events have the score of the first one.
        return fit.labels[first], distances[first]


def _numbered(
    vectors: Vectors, labels: Int64s, distances: Doubles, before: Clusters | None, is_like_before: bool
) -> tuple[Clusters, Int64s]:
    """The clusters that have rows, and ``(n,)`` the number of the cluster of each row."""
    used, places = np.unique(labels, return_inverse=True)
    sizes = np.bincount(places)
    spreads = np.bincount(places, distances**2) / sizes
    centroids = _means(vectors, places, sizes)
    if before is None:
        numbers, next_number = used, int(used[-1]) + 1
    else:
        old = continued(before, sizes, spreads, centroids) if is_like_before else np.full(len(used), -1)
        is_new = old < 0
        numbers = np.where(is_new, before.next_number + np.cumsum(is_new) - 1, before.numbers[old])
        next_number = before.next_number + int(np.count_nonzero(is_new))
    order = np.argsort(numbers)
    clusters = Clusters(numbers[order], sizes[order], spreads[order], centroids[order], next_number)
    return clusters, numbers[places]


def _means(vectors: Vectors, labels: Int64s, sizes: Int64s) -> Vectors:
    sums, numbers = np.zeros((len(sizes), vectors.shape[1])), np.arange(len(sizes))[:, None]
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        sums += (numbers == labels[block]).astype(np.float32) @ vectors[block]
    means: Vectors = (sums / sizes[:, None]).astype(np.float32)
    return means
