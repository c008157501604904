"""The seeds of clusters, beside scikit-learn's."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import kmeans_plusplus

from dataflow.score.scorers.equal import first_equal
from dataflow.score.scorers.pairs import dot_products
from dataflow.score.scorers.seeds import Draws, find_seeds
from tests.support.batches import unit_vectors

Vectors = npt.NDArray[np.float32]
SEED = 42


def test_the_random_numbers_are_those_of_scikit_learn() -> None:
    random, draws = np.random.RandomState(SEED), Draws.of(30, 8, SEED)
    assert draws.first == random.choice(30, p=np.full(30, 1 / 30))
    assert draws.shares.tolist() == [random.uniform(size=4).tolist() for _ in range(7)]


def pairs() -> Vectors:
    """Pairs of events that are near each other and far from all others."""
    return np.repeat(unit_vectors(12), 2, axis=0) + np.float32(1e-3) * unit_vectors(24, seed=1)


def last_bits() -> Vectors:
    """Events of few texts, where equal texts differ in the last bits."""
    rng = np.random.default_rng(0)
    vectors = unit_vectors(10)[rng.integers(10, size=60)]
    return np.nextafter(vectors, rng.choice([-2, 2], size=vectors.shape).astype(np.float32))


def crowd() -> Vectors:
    """A crowd of nearly equal events, and some strangers."""
    return np.vstack([unit_vectors(1) + np.float32(0.01) * unit_vectors(40, seed=1), unit_vectors(4, seed=2)])


@pytest.mark.parametrize("random", range(20))
@pytest.mark.parametrize(
    "window",
    [unit_vectors(30), np.repeat(unit_vectors(10), 3, axis=0), pairs(), last_bits(), crowd(), np.eye(16)],
    ids=["distinct", "equal", "pairs", "last bits", "crowd", "corners"],
)
def test_the_seeds_are_those_of_scikit_learn(window: Vectors, random: int) -> None:
    vectors = np.random.default_rng(random).permutation(window.astype(np.float32))
    dots, first = dot_products(vectors), first_equal(vectors, np.array([0, len(vectors)]))
    (found,) = find_seeds([vectors], dots[None], np.array([1e-14]), first[None], 8, SEED)
    _, expected = kmeans_plusplus(vectors - vectors.mean(axis=0), 8, random_state=SEED)
    # Of equal events, it does not matter which one is the seed.
    np.testing.assert_array_equal(vectors[found], vectors[expected])
