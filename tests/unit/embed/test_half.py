"""Embeddings that are rounded to float16: the nearest numbers, and a refusal where float16 has no room."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataflow.embed import open_embedder
from dataflow.embed.base import Embedded
from dataflow.embed.batch import embed_batches, one_version
from dataflow.embed.half import HalfEmbedder
from dataflow.embed.null import NullEmbedder
from dataflow.items.arrays import Vectors
from dataflow.items.embedding import embeddings, stored_embeddings
from dataflow.items.rows import Rows, in_order
from dataflow.items.schemas import embedded_schema
from dataflow.settings import Embed
from tests.support.batches import events


class Given(NullEmbedder):
    """Gives the vectors that it is made with."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__(vectors.shape[1])
        self.vectors = vectors

    def embed(self, texts: Sequence[str]) -> Embedded:
        return Embedded(self.vectors, self.version, {0: "refused"} if "refused" in texts else {})


components = st.floats(-2.0, 2.0, width=32).filter(lambda number: abs(number) > 1e-3)


@given(arrays.arrays(np.float32, (3, 5), elements=components))
def test_each_number_is_the_nearest_one(vectors: Vectors) -> None:
    answer = HalfEmbedder(Given(vectors)).embed(["a", "b", "c"])
    assert answer.vectors.dtype == np.float32
    assert not answer.failed
    # Half a unit in the last of 11 bits.
    assert (np.abs(answer.vectors - vectors) <= np.abs(vectors) * 2.0**-11).all()
    again = HalfEmbedder(Given(answer.vectors)).embed(["a", "b", "c"])
    assert again.vectors.tobytes() == answer.vectors.tobytes()


@pytest.mark.parametrize(("number", "why"), [(1e5, "not finite"), (1e-9, "has length 0")])
def test_a_vector_that_float16_has_no_room_for_fails_its_text(number: float, why: str) -> None:
    vectors = np.array([[number, 0], [1, 0]], np.float32)
    failed = HalfEmbedder(Given(vectors)).embed(["far", "near"]).failed
    assert list(failed) == [0]
    assert why in failed[0]
    assert failed[0].endswith("set DRIFTLINE_EMBED__STORE=fp32")


def test_the_reason_of_the_model_stays() -> None:
    vectors = np.zeros((1, 2), np.float32)
    assert HalfEmbedder(Given(vectors)).embed(["refused"]).failed == {0: "refused"}


@pytest.mark.parametrize("cache_rows", [0, 10])
def test_the_batch_has_half_the_bytes_and_windows_have_float32(cache_rows: int) -> None:
    embedder = open_embedder(Embed(kind="null", dim=8, store="fp16", cache_rows=cache_rows))
    texts = [f"text {number}" for number in range(4)]
    (batch,), _ = embed_batches(embedder, [events(texts)], "fp16")
    assert batch.schema == embedded_schema(8, "fp16")
    expected = NullEmbedder(8).embed(texts).vectors.astype(np.float16)
    assert stored_embeddings(batch).tobytes() == expected.tobytes()
    window = in_order([Rows(batch)])
    assert window.schema == embedded_schema(8)
    assert embeddings(window).tobytes() == expected.astype(np.float32).tobytes()


def test_rows_that_another_version_embedded_are_rounded_too() -> None:
    inner = NullEmbedder(8)
    embedder = HalfEmbedder(inner)
    (old,), _ = embed_batches(embedder, [events(["a", "b"])], "fp16")
    inner.version = "2"
    (new,), _ = embed_batches(embedder, [events(["c"], first=2, times_us=[2])], "fp16")
    rows, _ = one_version(embedder, in_order([Rows(old), Rows(new)]))
    assert set(rows.column("model_version").to_pylist()) == {"2"}
    assert embeddings(rows).tobytes() == embedder.embed(["a", "b", "c"]).vectors.tobytes()
