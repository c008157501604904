"""The check of vectors."""

import numpy as np

from dataflow.embed.base import invalid_vectors


def test_vectors_that_are_not_embeddings_are_found() -> None:
    vectors = np.array([[1, 0], [np.nan, 0], [0, np.inf], [0, 0], [3, 4], [0.6, 0.8]], np.float32)
    assert list(invalid_vectors(vectors, unit=False)) == [1, 2, 3]
    assert list(invalid_vectors(vectors, unit=True)) == [1, 2, 3, 4]
    assert invalid_vectors(vectors, unit=True)[4] == "the model's answer has length 5"
