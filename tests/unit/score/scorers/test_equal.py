"""Which rows of a segment are equal."""

import itertools

import numpy as np
import pytest

from dataflow.score.scorers import equal
from dataflow.score.scorers.equal import first_equal
from tests.support.batches import unit_vectors


def test_equal_rows_are_found_within_their_segment() -> None:
    rng = np.random.default_rng(0)
    which = rng.integers(20, size=2000)
    vectors, offsets = unit_vectors(20)[which], np.array([0, 1, 700, 701, 1500, 2000])
    expected = [
        start + int(np.argmax(which[start:stop] == which[row]))
        for start, stop in itertools.pairwise(offsets.tolist())
        for row in range(start, stop)
    ]
    assert first_equal(vectors, offsets).tolist() == expected


def test_rows_with_one_hash_are_not_equal_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit_vectors(3)[[0, 1, 0, 2]]
    monkeypatch.setattr(equal, "hash_factors", lambda dim: np.zeros(dim, np.uint32))
    assert first_equal(vectors, np.array([0, 4])).tolist() == [0, 1, 0, 3]
