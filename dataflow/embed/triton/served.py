"""What a server says that a version of its model is, and what an answer of that version must be."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dataflow.embed.repository import Identity
from dataflow.errors import ContractError
from dataflow.items.arrays import Vectors

#: The outputs with embeddings: of float32, which each model has, and of float16.
FULL, HALF = "EMBEDDING", "EMBEDDING_FP16"


class Response(NamedTuple):
    """The answer to a request. ``given``: the type and the shape of each output; ``raw``: its bytes."""

    given: list[str]
    raw: list[bytes]


class ServedVersion(NamedTuple):
    """A version of a model as its server reports it."""

    number: str
    #: ``None``: the model does not report what it is.
    identity: Identity | None
    dim: int
    #: Most texts in a request.
    rows: int
    #: Whether the model returns checksums of the texts, in the output ``CHECK``.
    checks: bool
    #: Whether the model is asked for float16, which is half of the bytes.
    half: bool = False

    @property
    def outputs(self) -> list[str]:
        """What a request for embeddings asks for, the embeddings first."""
        return [HALF if self.half else FULL, "CHECK"][: 1 + self.checks]

    @property
    def row_bytes(self) -> int:
        """The bytes of one embedding in an answer."""
        return self.dim * (2 if self.half else 4)

    def vectors(self, response: Response, texts: Sequence[str], label: str) -> Vectors:
        """The vectors in ``response``, ``(n, dim)`` float32. ``label``: what messages call the version.

        Raises ``ContractError`` if the response is not as agreed.
        """
        n, raw = len(texts), response.raw
        kind = "FP16" if self.half else "FP32"
        agreed = [f"{kind} {[n, self.dim]}", f"UINT32 {[n, 1]}"][: 1 + self.checks]
        if response.given != agreed or len(raw) != len(agreed) or len(raw[0]) != self.row_bytes * n:
            raise ContractError(
                f"{label} answered {' and '.join(response.given) or 'nothing'} for {n} texts, agreed was "
                f"{' and '.join(agreed)}; was another model loaded?"
            )
        # Triton takes a Python model that gets no CPU for a second for dead. It gives the model's late answer
        # to the next request, and so on from there: each answer holds valid vectors of other texts.
        if self.checks and raw[1] != checksums(texts):
            raise ContractError(f"{label} answered for other texts than it was asked; start the server again")
        vectors: Vectors = np.frombuffer(raw[0], "<f2" if self.half else "<f4").reshape(n, self.dim)
        return vectors.astype(np.float32, copy=False)


def checksums(texts: Sequence[str]) -> bytes:
    """The CRC-32 of each text, as a UINT32 tensor."""
    return np.fromiter(map(zlib.crc32, map(str.encode, texts)), "<u4", len(texts)).tobytes()
