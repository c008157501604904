"""The embedder without a model (``embed.kind = null``)."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from dataflow.embed.base import Embedded
from dataflow.items.arrays import Vectors
from dataflow.settings import Embed
from dataflow.telemetry.tracer import NO_TRACER, Tracer


class NullEmbedder:
    """Makes unit vectors from a hash of the text. The vectors have no meaning and the same bits on every
    machine.

    A vector is the normalised sum of two slices of tables of small integers. The sum of their squares is
    exact in float32 in any order, so every platform rounds it alike.
    """

    model = "null"
    version = "1"

    def __init__(self, dim: int = 384) -> None:
        self.dim = dim
        noise = _splitmix(2 * (_SLICES + dim))
        # An odd number plus an even number is odd, so no vector is zero.
        odd, even = np.split((noise % 15).astype(np.float32) * 2 - 14, 2)
        self._odd = np.lib.stride_tricks.sliding_window_view(odd + 1, dim)
        self._even = np.lib.stride_tricks.sliding_window_view(even, dim)

    def embed(self, texts: Sequence[str]) -> Embedded:
        digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
        starts = np.frombuffer(digests, "<u4").reshape(-1, 2) % _SLICES
        vectors: Vectors = self._odd[starts[:, 0]] + self._even[starts[:, 1]]
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        return Embedded(vectors, self.version)

    def close(self) -> None:
        pass


def connect(options: Embed, tracer: Tracer = NO_TRACER) -> NullEmbedder:
    """Open the embedder of ``embed.kind = null``."""
    return NullEmbedder(options.dim or 384)


_SLICES = 1 << 16


def _splitmix(n: int) -> npt.NDArray[np.uint64]:
    """The first ``n`` numbers of splitmix64. It computes with integers only, so all machines agree."""
    x = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
