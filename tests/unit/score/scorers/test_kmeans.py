"""The default scorer."""

import numpy as np
from sklearn.cluster import KMeans

from dataflow.score.scorers.kmeans import KMeansScorer
from dataflow.settings import Score
from tests.support.batches import embedded, unit_vectors


def test_scores_and_clusters_equal_those_of_the_article() -> None:
    vectors = unit_vectors(150)
    kmeans = KMeans(n_clusters=8, random_state=42)
    labels = kmeans.fit_predict(vectors)
    expected = np.linalg.norm(vectors - kmeans.cluster_centers_[labels], axis=1)
    scores = KMeansScorer(Score()).score(embedded(vectors))
    np.testing.assert_allclose(scores.values, expected, atol=1e-6)
    np.testing.assert_array_equal(scores.cluster, labels)


def test_a_window_with_no_more_events_than_clusters_scores_zero() -> None:
    for n in (1, 3, 8):
        scores = KMeansScorer(Score(clusters=8)).score(embedded(unit_vectors(n)))
        np.testing.assert_allclose(scores.values, 0, atol=1e-6)
        assert sorted(scores.cluster.tolist()) == list(range(n))
