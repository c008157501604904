"""Rounds embeddings to float16 (``embed.store = fp16``)."""

from collections.abc import Sequence

import numpy as np

from dataflow.embed.base import Embedded, Embedder, invalid_vectors


class HalfEmbedder:
    """An ``Embedder`` that rounds the vectors of ``inner`` to the nearest numbers of float16.

    Its vectors are float32 arrays, which float16 holds exactly. So the cache, the state of windows and a
    vector that has just come have the same numbers. A text fails if float16 has no room for its vector: a
    component is beyond 65,504, or all of them round to 0. No vector of length 1 is so.

    >>> from dataflow.embed.null import NullEmbedder
    >>> vectors = HalfEmbedder(NullEmbedder(8)).embed(["a text"]).vectors
    >>> vectors.dtype, bool((vectors == vectors.astype(np.float16)).all())
    (dtype('float32'), True)
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.dim = inner.dim
        self.model = inner.model

    @property
    def version(self) -> str:
        return self._inner.version

    def embed(self, texts: Sequence[str]) -> Embedded:
        answer = self._inner.embed(texts)
        with np.errstate(over="ignore"):
            vectors = answer.vectors.astype(np.float16).astype(np.float32)
        refused = {
            row: f"fp16 has no room for it: {why}; set DRIFTLINE_EMBED__STORE=fp32"
            for row, why in invalid_vectors(vectors, unit=False).items()
        }
        return Embedded(vectors, answer.version, {**refused, **answer.failed})

    def close(self) -> None:
        self._inner.close()
