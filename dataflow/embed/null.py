"""The embedder without a model (``embed.kind = null``)."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from dataflow import settings
from dataflow.embed.base import Embedded
from dataflow.items.arrays import Vectors
from dataflow.telemetry.tracer import NO_TRACER, Tracer


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


def connect(options: settings.Embed, tracer: Tracer = NO_TRACER) -> NullEmbedder:
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
