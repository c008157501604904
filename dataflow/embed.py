"""Texts to vectors: the ``Embedder`` protocol, and what a micro-batch of events becomes.

Pure: who really computes the vectors is passed in (:mod:`dataflow.triton`, :mod:`dataflow.onnx_session`,
or :class:`NullEmbedder`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import settings
from dataflow.events import dead_letters, embedded_schema

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """One row a text: ``vectors`` is (n, dim) float32.

    ``failed``: row -> why, for texts that the model refused or answered with something not finite;
    their vectors are undefined.
    """

    vectors: Vectors
    failed: Mapping[int, str] = field(default_factory=dict)


class Embedder(Protocol):
    """Turns texts into vectors. Equal texts get equal vectors, to float rounding, in any company."""

    dim: int
    model: str
    version: str

    def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector a text, in order.

        Bad texts are reported in ``failed``. Raises ``OutageError`` when whoever computes stays
        unreachable for too long, ``ContractError`` when it answers in another shape than agreed.
        """

    def close(self) -> None:
        """Let go of connections and threads. May be called twice."""


def embed_batch(embedder: Embedder, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """One ``EVENT`` batch -> its rows with their embeddings (``embedded_schema(dim)``), and dead letters."""
    embedded, dead = embed_batches(embedder, [batch])
    return embedded[0], dead


def embed_batches(
    embedder: Embedder, batches: Sequence[pa.RecordBatch]
) -> tuple[list[pa.RecordBatch], pa.RecordBatch]:
    """Several ``EVENT`` batches at once, so that requests are full; equal texts are embedded once.

    Returns as many batches, each with its rows in order less those that failed, and one ``DEAD_LETTER``
    batch of those that did (reason ``embedding``, ``raw`` the text).
    """
    texts = pa.chunked_array([batch.column("text") for batch in batches], pa.string())
    encoded = texts.combine_chunks().dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    result = embedder.embed(distinct) if distinct else Embedded(np.empty((0, embedder.dim), np.float32))
    which = encoded.indices.to_numpy()
    rows: list[tuple[str, str, str, int, bytes]] = []
    embedded, first = [], 0
    for batch in batches:
        mine = which[first : first + len(batch)]
        first += len(batch)
        if result.failed:
            good = ~np.isin(mine, list(result.failed))
            rows += _dead(batch, mine, ~good, result.failed)
            embedded.append(_with_vectors(embedder, batch.filter(pa.array(good)), result.vectors[mine[good]]))
        else:
            embedded.append(_with_vectors(embedder, batch, result.vectors[mine]))
    return embedded, dead_letters(rows)


def _dead(
    batch: pa.RecordBatch, which: npt.NDArray[np.int32], bad: npt.NDArray[np.bool_], failed: Mapping[int, str]
) -> list[tuple[str, str, str, int, bytes]]:
    lost = batch.filter(pa.array(bad)).select(["partition", "offset", "text"]).to_pylist()
    return [
        ("embedding", failed[int(row)], event["partition"], event["offset"], event["text"].encode())
        for event, row in zip(lost, which[bad], strict=True)
    ]


def _with_vectors(embedder: Embedder, batch: pa.RecordBatch, vectors: Vectors) -> pa.RecordBatch:
    schema = embedded_schema(embedder.dim)
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    names = [
        pa.repeat(pa.scalar(name, pa.string()), len(batch)) for name in (embedder.model, embedder.version)
    ]
    embedding = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("embedding").type)
    return pa.RecordBatch.from_arrays([*batch.columns, embedding, *names], schema=schema)


def join(parts: Sequence[Embedded], dim: int) -> Embedded:
    """The answers to consecutive parts of a list of texts as the answer to all of it."""
    if len(parts) == 1:
        return parts[0]
    failed: dict[int, str] = {}
    first = 0
    for part in parts:
        failed |= {first + row: why for row, why in part.failed.items()}
        first += len(part.vectors)
    vectors = np.concatenate([part.vectors for part in parts]) if parts else np.empty((0, dim), np.float32)
    return Embedded(vectors, failed)


def finite(vectors: Vectors) -> Embedded:
    """``vectors`` with the rows that are not finite reported as failed."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    return Embedded(vectors, {int(row): "the model's answer is not finite" for row in bad})


class NullEmbedder:
    """Unit vectors from a hash of the text: no meaning, full size, the same bits on every machine.

    A vector is the sum of two windows into tables of small integers, normalised: sums of their squares
    are exact in float32 in any order, so no platform rounds them otherwise.
    """

    model = "null"
    version = "1"

    def __init__(self, dim: int = 384) -> None:
        self.dim = dim
        noise = _splitmix(2 * (_WINDOWS + dim))
        # Odd plus even is odd: a sum is never zero, and no vector is.
        odd, even = np.split((noise % 15).astype(np.float32) * 2 - 14, 2)
        self._odd = np.lib.stride_tricks.sliding_window_view(odd + 1, dim)
        self._even = np.lib.stride_tricks.sliding_window_view(even, dim)

    def embed(self, texts: Sequence[str]) -> Embedded:
        digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
        places = np.frombuffer(digests, "<u4").reshape(-1, 2) % _WINDOWS
        vectors: Vectors = self._odd[places[:, 0]] + self._even[places[:, 1]]
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        return Embedded(vectors)

    def close(self) -> None:
        pass


def connect(options: settings.Embed) -> NullEmbedder:
    """The embedder of ``embed.kind = null``."""
    return NullEmbedder(options.dim or 384)


_WINDOWS = 1 << 16


def _splitmix(n: int) -> npt.NDArray[np.uint64]:
    """The first ``n`` numbers of splitmix64: integers only, so the same everywhere and for good."""
    x = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
