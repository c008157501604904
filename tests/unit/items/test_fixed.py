"""Distances are exact: the same in any block, and zero for equal vectors."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.items.fixed import LENGTH, MOST_DIM, distances, squared, to_fixed
from tests.support.batches import unit_vectors


@given(st.integers(0, 100), st.sampled_from([1, 2, 384, 1024]), st.integers(1, 40))
def test_distances_are_those_of_exact_integers_in_any_block(seed: int, dim: int, n: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    fixed = to_fixed(vectors)
    wide = fixed.astype(np.int64)
    expected = ((wide[:, None] - wide) ** 2).sum(axis=2)
    assert np.array_equal(squared(fixed, fixed), expected)
    assert all(np.array_equal(squared(fixed[i : i + 1], fixed)[0], expected[i]) for i in range(n))


def test_equal_vectors_have_no_distance_whatever_their_length() -> None:
    vectors = unit_vectors(5)
    assert not squared(to_fixed(vectors), to_fixed(3 * vectors)).diagonal().any()


def test_distances_are_those_of_unit_vectors() -> None:
    vectors = unit_vectors(50)
    fixed = to_fixed(vectors)
    expected = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors, axis=2)
    assert np.abs(distances(squared(fixed, fixed)) - expected).max() < 3 / LENGTH


def test_a_zero_vector_is_as_far_from_each_vector_as_its_length() -> None:
    zero = to_fixed(np.zeros((1, 3), np.float32))
    assert distances(squared(zero, to_fixed(np.eye(3, dtype=np.float32)))).tolist() == [[1, 1, 1]]


def test_products_of_the_longest_vectors_are_exact() -> None:
    # Each component is rounded up, which makes the vector longer than any other.
    worst = np.full((1, MOST_DIM), np.ceil(LENGTH / np.sqrt(MOST_DIM)), np.int16)
    assert (worst.astype(np.int64) ** 2).sum() <= 2**24


def test_vectors_may_be_written_into_an_array() -> None:
    vectors = unit_vectors(600)
    out = np.empty(vectors.shape, np.int16)
    assert to_fixed(vectors, out=out) is out
    assert np.array_equal(out, to_fixed(vectors))
