"""Each scorer against its formula, and what a scored row says."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans

from dataflow.errors import SettingsError
from dataflow.items.rows import Rows
from dataflow.items.schemas import SAMPLE_SHARE, SCORED
from dataflow.items.windows import WholeWindow, WindowRef
from dataflow.score.scorers import Scorer, open_scorer
from dataflow.score.window import score_window
from dataflow.settings import Score
from tests.support.batches import embedded_batch, events

Matrix = npt.NDArray[np.float32]
NO_FUNCTION = 1


def one_number(frame: pd.DataFrame) -> float:
    return 1.0


def not_a_number(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    return np.full(len(frame), np.nan)


def unit_vectors(n: int, dim: int = 16, seed: int = 0) -> Matrix:
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def rows(vectors: Matrix) -> pa.RecordBatch:
    numbers = range(len(vectors))
    texts, ids = [f"text {i}" for i in numbers], [f"e{i}" for i in numbers]
    return embedded_batch(events(texts, ids=ids, keys=["k"] * len(vectors)), vectors)


def scorer(kind: str, **options: int) -> Scorer:
    return open_scorer(Score(kind=kind, **options))


def test_kmeans_is_the_article_s() -> None:
    vectors = unit_vectors(150)
    kmeans = KMeans(n_clusters=8, random_state=42)
    labels = kmeans.fit_predict(vectors)
    expected = np.linalg.norm(vectors - kmeans.cluster_centers_[labels], axis=1)
    scores = scorer("kmeans").score(rows(vectors))
    np.testing.assert_allclose(scores.values, expected, atol=1e-6)
    np.testing.assert_array_equal(scores.cluster, labels)


def test_mean_cosine_and_knn_are_their_formulas() -> None:
    vectors = unit_vectors(40).astype(np.float64)
    window = rows(vectors.astype(np.float32))
    mean = vectors.mean(axis=0)
    pairs = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    nearest = np.sort(pairs, axis=1)[:, 1:4].mean(axis=1)
    cosine = 1 - vectors @ mean / np.linalg.norm(mean) / np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(
        scorer("mean").score(window).values, np.linalg.norm(vectors - mean, axis=1), atol=1e-5
    )
    np.testing.assert_allclose(scorer("cosine").score(window).values, cosine, atol=1e-5)
    np.testing.assert_allclose(scorer("knn", neighbours=3).score(window).values, nearest, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("kmean", "there are kmeans, mean, cosine, knn, lof, or module:function"),
        ("no.such.module:f", "cannot be imported"),
        (f"{__name__}:nothing", "cannot be imported"),
        (f"{__name__}:NO_FUNCTION", "is not a function"),
    ],
)
def test_an_unknown_scorer_is_one_line(kind: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        scorer(kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", ["one_number", "not_a_number"])
def test_a_function_that_answers_wrongly_is_named(function: str) -> None:
    with pytest.raises(SettingsError, match=f"{function}.*must return 3 finite numbers"):
        scorer(f"{__name__}:{function}").score(rows(unit_vectors(3)))


def test_a_scored_row_says_all_there_is_to_say() -> None:
    window = WholeWindow(WindowRef(0, 600_000_000, 2), [Rows(rows(unit_vectors(12)))], seen=24)
    gathered = window.gather()
    embedding = gathered.schema.field("embedding")
    plain = score_window(scorer("kmeans"), "tenant", window, gathered)
    full = score_window(scorer("kmeans"), "tenant", window, gathered, [SAMPLE_SHARE, embedding])
    assert plain.rows.schema == SCORED
    assert full.rows.schema.names == [*SCORED.names, "sample_share", "embedding"]
    row = full.rows.to_pylist()[3]
    assert (row["key"], row["id"], row["text"], row["revision"]) == ("tenant", "e3", "text 3", 2)
    assert (row["window_end"] - row["window_start"]).total_seconds() == 600
    assert row["sample_share"] == 0.5
    (summary,) = plain.summary.to_pylist()
    values = plain.rows.column("score").to_pylist()
    assert (summary["rows"], summary["rows_seen"], summary["score_max"]) == (12, 24, max(values))
    assert summary["score_p50"] == pytest.approx(np.median(values))
