"""The scores and summaries of many keys at once, beside each key alone and computed in the plainest way."""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from dataflow.items.rows import Rows
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.score.scorers import open_scorer, score_segments
from dataflow.score.window import quantiles, score_windows
from dataflow.settings import Score
from tests.support.batches import embedded, embedded_batch, events, unit_vectors

Vectors = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
CLUSTERS, NEIGHBOURS = 4, 3


def mean(vectors: Vectors) -> Doubles:
    exact = vectors.astype(np.float64)
    return np.array([np.linalg.norm(each - exact.mean(axis=0)) for each in exact])


def cosine(vectors: Vectors) -> Doubles:
    exact = vectors.astype(np.float64)
    middle = exact.mean(axis=0)
    if not middle.any():
        return np.ones(len(exact))
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(middle)
    distances: Doubles = 1 - exact @ middle / lengths
    return distances


def kmeans(vectors: Vectors) -> Doubles:
    if len(np.unique(vectors, axis=0)) <= CLUSTERS:
        return np.zeros(len(vectors))
    fitted = KMeans(CLUSTERS, random_state=42).fit(vectors)
    distances: Doubles = np.linalg.norm(vectors - fitted.cluster_centers_[fitted.labels_], axis=1)
    return distances


def knn(vectors: Vectors) -> Doubles:
    k = min(NEIGHBOURS, len(vectors) - 1)
    if not k:
        return np.zeros(1)
    distances, _ = NearestNeighbors(n_neighbors=k).fit(vectors.astype(np.float64)).kneighbors()
    means: Doubles = distances.mean(axis=1)
    return means


#: The sizes of the segments, which of some distinct vectors each row is, and how many these are.
drawn = st.tuples(
    st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**32 - 1), st.integers(1, 200)
)


def stream(sizes: list[int], seed: int, distinct: int) -> Vectors:
    rng = np.random.default_rng(seed)
    return unit_vectors(distinct, seed=seed)[rng.integers(distinct, size=sum(sizes))]


@pytest.mark.parametrize(
    ("plain", "within"),
    [(mean, 1e-12), (cosine, 1e-12), (kmeans, 1e-6), (knn, 1e-6)],
    ids=lambda it: getattr(it, "__name__", ""),
)
@given(drawn)
@settings(deadline=None)
def test_segments_score_as_the_plainest_computation(
    plain: Callable[[Vectors], Doubles], within: float, parts: tuple[list[int], int, int]
) -> None:
    vectors, offsets = stream(*parts), np.cumsum([0, *parts[0]])
    options = Score(kind=plain.__name__, clusters=CLUSTERS, neighbours=NEIGHBOURS)
    found = score_segments(open_scorer(options), embedded(vectors), offsets)
    bounds = itertools.pairwise(offsets.tolist())
    expected = np.concatenate([plain(vectors[start:stop]) for start, stop in bounds])
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=within)


@given(drawn)
@settings(deadline=None)
def test_clusters_are_those_of_scikit_learn(parts: tuple[list[int], int, int]) -> None:
    vectors, offsets = stream(*parts), np.cumsum([0, *parts[0]])
    scorer = open_scorer(Score(kind="kmeans", clusters=CLUSTERS))
    found = score_segments(scorer, embedded(vectors), offsets).cluster
    for start, stop in itertools.pairwise(offsets.tolist()):
        window = vectors[start:stop]
        distinct, number = np.unique(window, axis=0, return_inverse=True)
        if len(distinct) > CLUSTERS:
            expected = KMeans(CLUSTERS, random_state=42).fit(window).labels_
            np.testing.assert_array_equal(found[start:stop], expected)
        else:
            order = list(dict.fromkeys(number.ravel().tolist()))
            assert found[start:stop].tolist() == [order.index(each) for each in number.ravel().tolist()]


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), min_size=1, max_size=10),
    st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]) | st.floats(0, 1),
)
def test_quantiles_are_those_of_numpy(segments: list[list[float]], share: float) -> None:
    ordered = [sorted(segment) for segment in segments]
    offsets = np.cumsum([0, *map(len, segments)])
    found = quantiles(np.concatenate(ordered), offsets, share)
    expected = [np.quantile(segment, share) for segment in segments]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@given(st.lists(st.sampled_from(["a", "b", "key", "Z", "é"]), min_size=1, max_size=60), st.booleans())
@settings(deadline=None)
def test_each_key_has_the_rows_and_the_summary_of_its_window(keys: list[str], is_one_window: bool) -> None:
    rows = embedded_batch(events(keys, keys=keys), unit_vectors(len(keys)))
    of_key = {key: KeyWindow(WindowRef(len(key), 100 + ord(key[0]), len(key) - 1)) for key in keys}
    one = KeyWindow(WindowRef(0, 60, 0))
    windows = WholeWindows(one if is_one_window else of_key, [Rows(rows)])
    result = score_windows(open_scorer(Score(kind="mean")), windows, windows.gather())
    assert result.rows.column("key").to_pylist() == sorted(keys)
    assert result.summary.column("key").to_pylist() == sorted(set(keys))
    table = result.rows.to_pylist()
    for summary in result.summary.to_pylist():
        key = summary["key"]
        scores = [row["score"] for row in table if row["key"] == key]
        assert summary["rows"] == summary["rows_seen"] == len(scores) == keys.count(key)
        quantile = [summary["score_p50"], summary["score_p99"], summary["score_max"]]
        np.testing.assert_allclose(quantile, np.quantile(scores, (0.5, 0.99, 1)), rtol=0, atol=1e-12)
        ref = [summary[name] for name in ("window_start", "window_end", "revision")]
        assert all(
            [row["window_start"], row["window_end"], row["revision"]] == ref
            for row in table
            if row["key"] == key
        )
