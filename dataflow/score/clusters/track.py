"""Follows the clusters of a key from window to window."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Int64s, Vectors
from dataflow.items.embedding import embeddings
from dataflow.items.rows import model_of
from dataflow.score.clusters.fit import fit_warm
from dataflow.score.clusters.lloyd import Doubles
from dataflow.score.clusters.numbering import continued
from dataflow.score.clusters.report import Change, changes, nearest_texts
from dataflow.score.clusters.state import KeyClusters
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
    clusters: KeyClusters


class _Found(NamedTuple):
    """The clusters of a window before they have numbers. Some of the ``k`` clusters can be empty.

    ``labels``: ``(n,)`` int64; ``distances``: ``(n,)`` float64, the distance of each row to its centroid;
    ``centroids``: ``(k, dim)`` float32, the mean of the rows of each cluster.
    """

    labels: Int64s
    distances: Doubles
    centroids: Vectors


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

    def track(self, rows: pa.RecordBatch, before: KeyClusters | None) -> Tracked:
        """Score the window ``rows``: at least one embedded event of one key, in (``ts``, ``id``) order.

        ``before``: the clusters of the key's window before; ``None``: there is none. If another model, or
        another version, embedded that window, this window starts like a first one, with new numbers.

        >>> vectors = pa.array([[0, 1], [0, 1], [0, 0.9], [1, 0]], pa.list_(pa.float32(), 2))
        >>> columns = {"text": ["a", "a", "b", "c"], "model": ["m"] * 4, "model_version": ["1"] * 4}
        >>> rows = pa.record_batch(columns | {"embedding": vectors})
        >>> tracker = ClusterTracker(Score(clusters=2))
        >>> first = tracker.track(rows, None)
        >>> second = tracker.track(rows.slice(0, 3), first.clusters)
        >>> [(change.state, change.share, change.examples) for change in second.changes]
        [('steady', 0.6666666666666666, ['a']), ('gone', 0.0, []), ('new', 0.3333333333333333, ['b'])]
        """
        vectors, model = embeddings(rows), model_of(rows)
        is_like_before = before is not None and before.model == model
        first = first_equal(vectors, whole(rows))
        with self._quiet():
            if before is not None and is_like_before:
                found = self._warm(vectors, first, before)
            else:
                found = self._first(rows, vectors)
        clusters, numbers = _numbered(found, model, before, is_like_before)
        distinct = np.flatnonzero(first == np.arange(len(first)))
        texts = rows.column("text").take(pa.array(distinct))
        examples = nearest_texts(texts, found.distances[distinct], numbers[distinct], clusters.numbers)
        scores = Scores.of(found.distances, numbers)
        return Tracked(scores, changes(clusters, before, examples), clusters)

    def _first(self, rows: pa.RecordBatch, vectors: Vectors) -> _Found:
        scores = self._cold.score(rows)
        labels = scores.cluster.astype(np.int64)
        return _Found(labels, scores.values, _means(vectors, labels))

    def _warm(self, vectors: Vectors, first: Int64s, before: KeyClusters) -> _Found:
        is_first = first == np.arange(len(first))
        if np.count_nonzero(is_first) <= self._most:
            return _Found((np.cumsum(is_first) - 1)[first], np.zeros(len(first)), vectors[is_first])
        # score.clusters may be less than at the last start.
        largest = np.sort(np.argsort(-before.sizes, kind="stable")[: self._most])
        fit = fit_warm(vectors, before.centroids[largest], self._most, self._seed)
        distances = _distances(vectors, fit.labels, fit.centroids.astype(np.float32))
        # Rounding depends on the place of a row in a matrix, so equal events have the score of the first one.
        return _Found(fit.labels[first], distances[first], fit.means().astype(np.float32))


def _numbered(
    found: _Found, model: str, before: KeyClusters | None, is_like_before: bool
) -> tuple[KeyClusters, Int64s]:
    """The clusters that have rows, and ``(n,)`` the number of the cluster of each row."""
    used, places = np.unique(found.labels, return_inverse=True)
    sizes = np.bincount(places)
    spreads = np.bincount(places, found.distances**2) / sizes
    centroids = found.centroids[used]
    if before is None:
        numbers, next_number = used, int(used[-1]) + 1
    else:
        old = continued(before, sizes, spreads, centroids) if is_like_before else np.full(len(used), -1)
        is_new = old < 0
        numbers = np.where(is_new, before.next_number + np.cumsum(is_new) - 1, before.numbers[old])
        next_number = before.next_number + int(np.count_nonzero(is_new))
    order = np.argsort(numbers)
    clusters = KeyClusters(numbers[order], sizes[order], spreads[order], centroids[order], next_number, model)
    return clusters, numbers[places]


def _distances(vectors: Vectors, labels: Int64s, centroids: Vectors) -> Doubles:
    """``(n,)`` the distance of each row to the centroid of its label."""
    squares = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        offset = centroids[labels[block]]
        np.subtract(vectors[block], offset, out=offset)
        squares[block] = np.einsum("ij,ij->i", offset, offset)
    return np.sqrt(squares)


def _means(vectors: Vectors, labels: Int64s) -> Vectors:
    """``(k, dim)`` the mean of the rows of each label. A label without rows has the mean 0."""
    numbers = np.arange(int(labels.max()) + 1)[:, None]
    sums, sizes = np.zeros((len(numbers), vectors.shape[1])), np.bincount(labels)[:, None]
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        sums += (numbers == labels[block]).astype(np.float32) @ vectors[block]
    return (sums / np.maximum(sizes, 1)).astype(np.float32)
