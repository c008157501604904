"""The interface of an embedder, and the check of its vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dataflow.items.arrays import Vectors


@dataclass(frozen=True)
class Embedded:
    """The embeddings of some texts, all made by one version of one model."""

    #: ``(n, dim)`` float32: one row for each text. The rows of failed texts are undefined.
    vectors: Vectors
    version: str
    #: Row -> reason, for the texts that the model refused or that got an invalid vector.
    failed: Mapping[int, str] = field(default_factory=dict)


class Embedder(Protocol):
    """Turns texts into vectors.

    Equal texts get equal vectors, up to float rounding, whatever texts are embedded with them. ``version`` is
    the version that embeds now; it may change between two calls of ``embed``, but not within a call.
    """

    dim: int
    model: str

    @property
    def version(self) -> str:
        """The version of the model that answers now."""
        ...

    def embed(self, texts: Sequence[str]) -> Embedded:
        """Embed ``texts``: one vector for each text, in order.

        A call without texts asks the model nothing, but may change the version.

        Texts that cannot be embedded are in ``failed``. Raises ``OutageError`` if the model server stays
        unreachable for too long, ``ContractError`` if its answer has another shape than agreed.
        """

    def close(self) -> None:
        """Close connections and end threads. A second call does nothing."""


def invalid_vectors(vectors: Vectors, *, unit: bool) -> dict[int, str]:
    """Row -> reason, for the rows of ``vectors`` ((n, dim) float32) that are not embeddings.

    An embedding is finite and not zero. ``unit``: the model makes vectors of length 1, so each row must have
    length 1.

    >>> invalid_vectors(np.array([[0.6, 0.8], [3, 4], [np.nan, 0]], np.float32), unit=True)
    {1: "the model's answer has length 5", 2: "the model's answer is not finite"}
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    # The tolerance that half precision needs. A broken answer is much further off.
    invalid = ~(np.abs(squares - 1) < 0.02) if unit else ~(np.isfinite(squares) & (squares > 0))
    return {
        int(row): "the model's answer is not finite"
        if not np.isfinite(squares[row])
        else f"the model's answer has length {np.sqrt(squares[row]):.3g}"
        for row in np.flatnonzero(invalid)
    }
