"""Micro-batches of events to micro-batches with embeddings."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import settings
from dataflow.embed.base import Embedded, unsound
from dataflow.embed.batch import embed_batch, embed_batches
from dataflow.embed.null import NullEmbedder, connect
from dataflow.items.schemas import DEAD_LETTER, EVENT, embedded_schema, embeddings
from tests.support.batches import events

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Picky(NullEmbedder):
    """Refuses texts that hold "bad"; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(8)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Embedded:
        self.asked += texts
        failed = {row: f"{text!r} is bad" for row, text in enumerate(texts) if "bad" in text}
        return Embedded(super().embed(texts).vectors, self.version, failed)


def test_embedded_batch_keeps_rows_and_adds_columns() -> None:
    batch, dead = embed_batch(NullEmbedder(8), events(["b", "a", "b"]))
    assert batch.schema == embedded_schema(8)
    assert batch.select(EVENT.names).equals(events(["b", "a", "b"]))
    assert embeddings(batch).tolist() == NullEmbedder(8).embed(["b", "a", "b"]).vectors.tolist()
    assert set(batch.column("model").to_pylist()) == {"null"}
    assert set(batch.column("model_version").to_pylist()) == {"1"}
    assert dead.num_rows == 0
    assert dead.schema == DEAD_LETTER


def test_a_refused_text_becomes_a_dead_letter_with_its_position() -> None:
    batch, dead = embed_batch(Picky(), events(["good", "bad \x00 ü", "good"], first=7))
    assert batch.column("offset").to_pylist() == [7, 9]
    assert dead.to_pylist() == [
        {
            "reason": "embedding",
            "message": "'bad \\x00 ü' is bad",
            "partition": "p",
            "offset": 8,
            "raw": "bad \x00 ü".encode(),
        }
    ]


def test_equal_texts_are_embedded_once_over_all_batches() -> None:
    embedder = Picky()
    embed_batches(embedder, [events(["a", "b", "a"]), events([]), events(["b", "c"])])
    assert sorted(embedder.asked) == ["a", "b", "c"]


@pytest.mark.parametrize("batches", [[], [events([])], [events([]), events([])]])
def test_nothing_in_nothing_out(batches: list[pa.RecordBatch]) -> None:
    embedder = Picky()
    embedded, dead = embed_batches(embedder, batches)
    assert [batch.num_rows for batch in embedded] == [0] * len(batches)
    assert all(batch.schema == embedded_schema(8) for batch in embedded)
    assert dead.num_rows == 0
    assert embedder.asked == []


@given(st.lists(st.lists(st.one_of(TEXTS, st.sampled_from(["bad", "bad too", "x"])), max_size=8), max_size=5))
def test_every_row_ends_in_one_place_with_its_own_vector(lists: list[list[str]]) -> None:
    firsts = np.cumsum([0, *map(len, lists)])[:-1]
    batches = [events(texts, int(first)) for texts, first in zip(lists, firsts, strict=True)]
    embedded, dead = embed_batches(Picky(), batches)
    for batch, texts in zip(embedded, lists, strict=True):
        good = [text for text in texts if "bad" not in text]
        assert batch.column("text").to_pylist() == good
        assert embeddings(batch).tolist() == NullEmbedder(8).embed(good).vectors.tolist()
    offsets = [offset for batch in embedded for offset in batch.column("offset").to_pylist()]
    assert sorted(offsets + dead.column("offset").to_pylist()) == list(range(sum(map(len, lists))))


def test_a_slice_of_a_batch_is_embedded_as_that_slice() -> None:
    batch, _ = embed_batch(NullEmbedder(8), events(["a", "b", "c", "d"]).slice(1, 2))
    assert batch.column("text").to_pylist() == ["b", "c"]
    assert embeddings(batch).tolist() == NullEmbedder(8).embed(["b", "c"]).vectors.tolist()


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
    assert vectors.tolist() == NULL_GOLDEN


def test_null_vectors_of_different_texts_point_elsewhere() -> None:
    vectors = NullEmbedder().embed([f"text {i}" for i in range(500)]).vectors
    cosines = vectors @ vectors.T - np.eye(500, dtype=np.float32)
    assert np.abs(cosines).max() < 0.8


def test_null_is_connected_by_settings() -> None:
    assert connect(settings.Embed(kind="null")).dim == 384
    assert connect(settings.Embed(kind="null", dim=12)).dim == 12


def test_what_is_no_embedding_is_seen() -> None:
    vectors = np.array([[1, 0], [np.nan, 0], [0, np.inf], [0, 0], [3, 4], [0.6, 0.8]], np.float32)
    assert list(unsound(vectors, unit=False)) == [1, 2, 3]
    assert list(unsound(vectors, unit=True)) == [1, 2, 3, 4]
    assert unsound(vectors, unit=True)[4] == "the model's answer has length 5"


NULL_GOLDEN = [
    [-0.4755948483943939, -0.22528177499771118, -0.6257826685905457, 0.5757200717926025],
    [-0.4003203809261322, -0.5604485273361206, 0.0800640806555748, 0.7205767035484314],
]
