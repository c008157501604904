"""What every scorer must do. A new scorer in ``SCORERS`` is tested without a change of this file."""

import numpy as np
import pytest

from dataflow.score.scorers import SCORERS, Scorer, Scores, open_scorer, score_segments
from dataflow.settings import Score
from tests.support import scorers
from tests.support.batches import embedded, unit_vectors

#: All kinds of ``score.kind``: the named scorers, and a function of the user.
KINDS = [*SCORERS, f"{scorers.__name__}:norm_from_first"]


def scorer(kind: str, **options: int) -> Scorer:
    return open_scorer(Score.model_validate({"kind": kind, **options}))


def same(first: Scores, second: Scores) -> bool:
    return np.array_equal(first.values, second.values) and np.array_equal(first.cluster, second.cluster)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 200])
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "equal"])
def test_one_finite_score_a_row_whatever_the_window(kind: str, n: int, equal: bool) -> None:
    vectors = np.repeat(unit_vectors(1), n, axis=0) if equal else unit_vectors(n)
    scores = scorer(kind).score(embedded(vectors))
    assert scores.values.shape == scores.cluster.shape == (n,)
    assert scores.values.dtype == np.float64
    assert scores.cluster.dtype == np.int32
    assert np.isfinite(scores.values).all()
    assert (scores.cluster >= -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_window_scores_the_same_again(kind: str) -> None:
    window = embedded(unit_vectors(100))
    used = scorer(kind)
    first, again, by_another = used.score(window), used.score(window), scorer(kind).score(window)
    assert same(first, again)
    assert same(first, by_another)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_does_not_depend_on_other_windows(kind: str) -> None:
    window, used = embedded(unit_vectors(60)), scorer(kind)
    used.score(embedded(unit_vectors(80, seed=1)))
    assert same(used.score(window), scorer(kind).score(window))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "n"), [(0, 30), (7, 1), (20, 2), (13, 47)])
def test_a_slice_scores_as_a_copy_of_its_embedded(kind: str, first: int, n: int) -> None:
    vectors = unit_vectors(60)
    sliced = scorer(kind).score(embedded(vectors).slice(first, n))
    copied = scorer(kind).score(embedded(vectors[first : first + n]))
    assert same(sliced, copied)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[60], [1, 30, 1, 2, 9, 30, 150, 8], [5] * 20], ids=["one", "some", "like"])
def test_segments_score_as_each_of_them_alone(kind: str, sizes: list[int]) -> None:
    rows, used = embedded(unit_vectors(sum(sizes))), scorer(kind)
    offsets = np.cumsum([0, *sizes])
    together = score_segments(used, rows, offsets)
    alone = [used.score(rows.slice(start, n)) for start, n in zip(offsets.tolist(), sizes, strict=False)]
    assert together.values.dtype == np.float64
    assert together.cluster.dtype == np.int32
    np.testing.assert_array_equal(together.cluster, np.concatenate([each.cluster for each in alone]))
    np.testing.assert_allclose(
        together.values, np.concatenate([each.values for each in alone]), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_left_as_they_are(kind: str) -> None:
    vectors = unit_vectors(50)
    window = embedded(vectors)
    scorer(kind).score(window)
    assert window.equals(embedded(unit_vectors(50)))


@pytest.mark.parametrize("kind", list(SCORERS))
def test_an_event_that_does_not_belong_scores_highest(kind: str) -> None:
    usual = unit_vectors(1) + 0.05 * unit_vectors(60, seed=1)
    # Two loose groups and one stranger to both: it must not get a cluster of its own for being alone.
    other = unit_vectors(1, seed=2) + 0.05 * unit_vectors(60, seed=3)
    stranger = -(usual[:1] + other[:1]) / 2
    vectors = np.vstack([usual, other, stranger]).astype(np.float32)
    scores = scorer(kind, clusters=1).score(embedded(vectors))
    assert scores.values.argmax() == len(vectors) - 1
