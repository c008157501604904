"""The default scorer."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans

from dataflow.items.arrays import Vectors
from dataflow.score.scorers import Scores
from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


def plain(vectors: Vectors, clusters: int = 8) -> Scores:
    kmeans = KMeans(n_clusters=clusters, random_state=42)
    labels = kmeans.fit_predict(vectors)
    return Scores.of(np.linalg.norm(vectors - kmeans.cluster_centers_[labels], axis=1), labels)


def assert_equal(scores: Scores, expected: Scores) -> None:
    np.testing.assert_allclose(scores.values, expected.values, atol=1e-6)
    np.testing.assert_array_equal(scores.cluster, expected.cluster)


@pytest.mark.parametrize("n", [9, 30, 128, 129, 400])
def test_scores_and_clusters_equal_those_of_the_article(n: int) -> None:
    vectors = unit_vectors(n)
    assert_equal(KMeansScorer(Score()).score(embedded(vectors)), plain(vectors))


def test_events_that_are_equally_near_are_left_to_scikit_learn() -> None:
    vectors = np.eye(20, dtype=np.float32)
    assert_equal(KMeansScorer(Score()).score(embedded(vectors)), plain(vectors))


def test_segments_of_all_sizes_equal_those_of_the_article() -> None:
    sizes = [30, 9, 300, 30, 12, 1, 30]
    offsets = np.cumsum([0, *sizes])
    vectors = unit_vectors(sum(sizes))
    scores = KMeansScorer(Score()).score_segments(embedded(vectors), offsets)
    for start, stop in itertools.pairwise(offsets.tolist()):
        if stop - start > 8:
            segment = Scores(scores.values[start:stop], scores.cluster[start:stop])
            assert_equal(segment, plain(vectors[start:stop]))
    assert scores.values[offsets[5]] == scores.cluster[offsets[5]] == 0


def test_equal_events_have_equal_scores() -> None:
    which = np.random.default_rng(0).integers(20, size=100)
    vectors = unit_vectors(20)[which]
    scores = KMeansScorer(Score()).score(embedded(vectors))
    assert_equal(scores, plain(vectors))
    for event in range(20):
        assert len(set(scores.values[which == event].tolist())) == 1


@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_window_with_no_more_distinct_events_than_clusters_scores_zero(n: int) -> None:
    vectors = unit_vectors(n)[[*range(n), *range(n - 1, -1, -1)]]
    scores = KMeansScorer(Score(clusters=8)).score(embedded(vectors))
    assert scores.values.tolist() == [0] * 2 * n
    assert scores.cluster.tolist() == [*range(n), *range(n - 1, -1, -1)]
    np.testing.assert_allclose(scores.values, plain(vectors, n).values, atol=1e-6)


def test_such_a_window_is_not_clustered(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = KMeansScorer(Score(clusters=8))
    monkeypatch.setattr(scorer, "_kmeans", None)
    rows: pa.RecordBatch = embedded(np.repeat(unit_vectors(8), 50, axis=0))
    assert not scorer.score_segments(rows, np.array([0, 10, 400])).values.any()
