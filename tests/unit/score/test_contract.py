"""What every scorer must do. A new scorer in ``SCORERS`` is tested without a change of this file."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest

from dataflow.items.schemas import embedded_schema
from dataflow.score.scorers import SCORERS, Scorer, Scores, open_scorer
from dataflow.settings import Score
from tests.support.batches import events

Matrix = npt.NDArray[np.float32]


def norm_from_first(frame: pd.DataFrame) -> "pd.Series[float]":
    first = frame["embedding"].iloc[0]
    return frame["embedding"].map(lambda v: float(np.linalg.norm(v - first)))


#: All kinds of ``score.kind``: the named scorers, and a function of the user.
KINDS = [*SCORERS, f"{__name__}:norm_from_first"]


def unit_vectors(n: int, dim: int = 16, seed: int = 0) -> Matrix:
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def rows(vectors: Matrix) -> pa.RecordBatch:
    n, dim = vectors.shape
    embeddings = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    columns = [*events([f"text {i}" for i in range(n)]).columns, embeddings, ["m"] * n, ["1"] * n]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=embedded_schema(dim))


def scorer(kind: str, **options: int) -> Scorer:
    return open_scorer(Score(kind=kind, **options))


def same(first: Scores, second: Scores) -> bool:
    return np.array_equal(first.values, second.values) and np.array_equal(first.cluster, second.cluster)


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
    assert (scores.cluster >= -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_window_scores_the_same_again(kind: str) -> None:
    window = rows(unit_vectors(100))
    used = scorer(kind)
    first, again, by_another = used.score(window), used.score(window), scorer(kind).score(window)
    assert same(first, again)
    assert same(first, by_another)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_does_not_depend_on_other_windows(kind: str) -> None:
    window, used = rows(unit_vectors(60)), scorer(kind)
    used.score(rows(unit_vectors(80, seed=1)))
    assert same(used.score(window), scorer(kind).score(window))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "n"), [(0, 30), (7, 1), (20, 2), (13, 47)])
def test_a_slice_scores_as_a_copy_of_its_rows(kind: str, first: int, n: int) -> None:
    vectors = unit_vectors(60)
    sliced = scorer(kind).score(rows(vectors).slice(first, n))
    copied = scorer(kind).score(rows(vectors[first : first + n]))
    assert same(sliced, copied)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_left_as_they_are(kind: str) -> None:
    vectors = unit_vectors(50)
    window = rows(vectors)
    scorer(kind).score(window)
    assert window.equals(rows(unit_vectors(50)))


@pytest.mark.parametrize("kind", list(SCORERS))
def test_an_event_that_does_not_belong_scores_highest(kind: str) -> None:
    usual = unit_vectors(1) + 0.05 * unit_vectors(60, seed=1)
    # Two loose groups and one stranger to both: it must not get a cluster of its own for being alone.
    other = unit_vectors(1, seed=2) + 0.05 * unit_vectors(60, seed=3)
    stranger = -(usual[:1] + other[:1]) / 2
    vectors = np.vstack([usual, other, stranger]).astype(np.float32)
    scores = scorer(kind, clusters=1).score(rows(vectors))
    assert scores.values.argmax() == len(vectors) - 1
