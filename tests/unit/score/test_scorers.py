"""One contract for all scorers, and each against its formula."""

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
from dataflow.score.scorers import SCORERS, Scorer, open_scorer
from dataflow.score.window import score_window
from dataflow.settings import Score
from tests.support.batches import embedded_batch, events

Matrix = npt.NDArray[np.float32]


def norm_from_first(frame: pd.DataFrame) -> "pd.Series[float]":
    first = frame["embedding"].iloc[0]
    return frame["embedding"].map(lambda v: float(np.linalg.norm(v - first)))


def one_number(frame: pd.DataFrame) -> float:
    return 1.0


def not_a_number(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    return np.full(len(frame), np.nan)


KINDS = [*SCORERS, f"{__name__}:norm_from_first"]


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 200])
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "equal"])
def test_one_finite_score_a_row_whatever_the_window(kind: str, n: int, equal: bool) -> None:
    vectors = np.repeat(unit_vectors(1), n, axis=0) if equal else unit_vectors(n)
    scores = scorer(kind).score(rows(vectors))
    assert scores.values.shape == scores.cluster.shape == (n,)
    assert scores.values.dtype == np.float64
    assert scores.cluster.dtype == np.int32
    assert np.isfinite(scores.values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_window_scores_the_same_again(kind: str) -> None:
    window = rows(unit_vectors(100))
    first, again = scorer(kind).score(window), scorer(kind).score(window)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.cluster, again.cluster)


@pytest.mark.parametrize("kind", list(SCORERS))
def test_what_does_not_belong_scores_highest(kind: str) -> None:
    usual = unit_vectors(1) + 0.05 * unit_vectors(60, seed=1)
    # Two loose groups and one stranger to both: it must not get a cluster of its own for being alone.
    other = unit_vectors(1, seed=2) + 0.05 * unit_vectors(60, seed=3)
    stranger = -(usual[:1] + other[:1]) / 2
    vectors = np.vstack([usual, other, stranger]).astype(np.float32)
    scores = scorer(kind, clusters=1).score(rows(vectors))
    assert scores.values.argmax() == len(vectors) - 1


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
        (f"{__name__}:KINDS", "is not a function"),
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
