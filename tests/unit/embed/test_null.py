"""The null embedder: the text alone decides the bits of its vector."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.null import NullEmbedder, connect
from dataflow.settings import Embed
from tests.support.batches import TEXTS

GOLDEN = [
    [-0.4755948483943939, -0.22528177499771118, -0.6257826685905457, 0.5757200717926025],
    [-0.4003203809261322, -0.5604485273361206, 0.0800640806555748, 0.7205767035484314],
]


@given(st.lists(TEXTS, max_size=30), st.integers(1, 40))
def test_null_vectors_are_unit_and_depend_on_the_text_alone(texts: list[str], dim: int) -> None:
    embedder = NullEmbedder(dim)
    vectors = embedder.embed(texts).vectors
    assert vectors.shape == (len(texts), dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        assert NullEmbedder(dim).embed([text]).vectors[0].tolist() == vector.tolist()


def test_null_vectors_are_the_same_bits_for_good() -> None:
    vectors = NullEmbedder(4).embed(["", "driftline"]).vectors
    assert vectors.tolist() == GOLDEN


def test_null_vectors_of_different_texts_point_elsewhere() -> None:
    vectors = NullEmbedder().embed([f"text {i}" for i in range(500)]).vectors
    cosines = vectors @ vectors.T - np.eye(500, dtype=np.float32)
    assert np.abs(cosines).max() < 0.8


def test_null_is_connected_by_settings() -> None:
    assert connect(Embed(kind="null")).dim == 384
    assert connect(Embed(kind="null", dim=12)).dim == 12
