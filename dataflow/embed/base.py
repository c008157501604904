"""What an embedder is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dataflow.items.arrays import Vectors


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
    def version(self) -> str:
        """The version of the model that answers now."""
        ...

    def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector a text, in order.

        Bad texts are reported in ``failed``. Raises ``OutageError`` when whoever computes stays
        unreachable for too long, ``ContractError`` when it answers in another shape than agreed.
        """

    def close(self) -> None:
        """Let go of connections and threads. May be called twice."""


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
