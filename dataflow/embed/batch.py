"""Texts to vectors: the ``Embedder`` protocol, and what a micro-batch of events becomes.

Pure: the embedder that computes the vectors is passed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow import settings
from dataflow.items.schemas import EVENT, dead_letters, embedded_schema

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """One row a text: ``vectors`` is (n, dim) float32, all made by one ``version`` of the model.

    ``failed``: row -> why, for texts that the model refused or answered with something not finite;
    their vectors are undefined.
    """

    vectors: Vectors
    version: str
    failed: Mapping[int, str] = field(default_factory=dict)


class Embedder(Protocol):
    """Turns texts into vectors. Equal texts get equal vectors, to float rounding, in any company.

    ``version`` is the one that answers now; an embedder that follows the newest may change it between
    two calls, and within none.
    """

    dim: int
    model: str

    @property
    def version(self) -> str: ...

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
    result = embedder.embed(distinct)
    which = encoded.indices.to_numpy()
    rows: list[tuple[str, str, str, int, bytes]] = []
    embedded, first = [], 0
    for batch in batches:
        mine = which[first : first + len(batch)]
        first += len(batch)
        good, kept = ~np.isin(mine, list(result.failed)), batch
        if not good.all():
            rows += _dead(batch, mine, ~good, result.failed)
            kept, mine = batch.filter(pa.array(good)), mine[good]
        embedded.append(_with_vectors(kept, result.vectors[mine], embedder.model, result.version))
    return embedded, dead_letters(rows)


def one_version(embedder: Embedder, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """A window's embedded ``rows``, all as one version of one model made them, and dead letters.

    Nearly always ``rows`` itself. Around a change of version, and after a restart with another, the rows
    that the embedder's version of now did not make are embedded again; those that it refuses are dead
    letters. (``ts``, ``id``) order.
    """
    while len(pc.unique(_makers(rows))) > 1:
        now = pa.scalar(f"{embedder.model} {embedder.version}")
        current = pc.equal(_makers(rows), now)
        (fresh,), refused = embed_batches(embedder, [rows.filter(pc.invert(current)).select(EVENT.names)])
        # The embedder may have changed meanwhile: then it all begins anew, with few texts not in the cache.
        if len(fresh) and _makers(fresh)[0] != now:
            continue
        whole = pa.concat_batches([rows.filter(current), fresh])
        order = pc.sort_indices(whole, sort_keys=[("ts", "ascending"), ("id", "ascending")])
        return whole.take(order), refused
    return rows, dead_letters([])


def _makers(rows: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")


def _dead(
    batch: pa.RecordBatch, which: npt.NDArray[np.int32], bad: npt.NDArray[np.bool_], failed: Mapping[int, str]
) -> list[tuple[str, str, str, int, bytes]]:
    lost = batch.filter(pa.array(bad)).select(["partition", "offset", "text"]).to_pylist()
    return [
        ("embedding", failed[int(row)], event["partition"], event["offset"], event["text"].encode())
        for event, row in zip(lost, which[bad], strict=True)
    ]


def _with_vectors(batch: pa.RecordBatch, vectors: Vectors, model: str, version: str) -> pa.RecordBatch:
    schema = embedded_schema(vectors.shape[1])
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    names = [pa.repeat(pa.scalar(name, pa.string()), len(batch)) for name in (model, version)]
    embedding = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("embedding").type)
    return pa.RecordBatch.from_arrays([*batch.columns, embedding, *names], schema=schema)


def unsound(vectors: Vectors, *, unit: bool) -> dict[int, str]:
    """Row -> why, of those that are no embedding: not finite, or not of length 1 where all are (``unit``)."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    # As wide as half precision needs; a broken answer is far off.
    bad = ~(np.abs(squares - 1) < 0.02) if unit else ~(np.isfinite(squares) & (squares > 0))
    return {
        int(row): "the model's answer is not finite"
        if not np.isfinite(squares[row])
        else f"the model's answer has length {np.sqrt(squares[row]):.3g}"
        for row in np.flatnonzero(bad)
    }


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
        return Embedded(vectors, self.version)

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
