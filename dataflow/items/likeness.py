"""What the stages that decide may ask about the texts that people marked."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dataflow.items.arrays import Bools
from dataflow.items.fixed import Fixed


class Likeness(Protocol):
    """Tells which events resemble a text that people marked. Threads may share it.

    ``at``: the end of the window that is decided, in microseconds since the Unix epoch, UTC. A mark counts
    from its own time on. ``model``: the model and the version that embedded the events. ``vectors``:
    ``(n, dim)``, their embeddings.
    """

    def expected(self, key: str, at: int, model: str | None, vectors: Fixed) -> Sequence[str | None]:
        """For each of ``n`` events of ``key`` the id of the mark ``expected`` that the event resembles;
        ``None``: the event resembles none.
        """

    def real(self, key: str | None, at: int, model: str | None, vectors: Fixed) -> Bools:
        """``(n,)``: which events resemble a mark ``real``. ``key``: that of all events; ``None``: the events
        are of several keys, and the marks of all keys count.
        """


class _Unmarked:
    def expected(self, key: str, at: int, model: str | None, vectors: Fixed) -> Sequence[str | None]:
        return [None] * len(vectors)

    def real(self, key: str | None, at: int, model: str | None, vectors: Fixed) -> Bools:
        return np.zeros(len(vectors), np.bool_)


#: Nothing resembles a mark: there are no marks.
UNMARKED: Likeness = _Unmarked()
