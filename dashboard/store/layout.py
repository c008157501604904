"""The places of rows on the map: a linear projection that is fitted once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.uint64]

#: The layout is fitted on the first so many events.
FIT_EVENTS = 1000
#: If fewer events came, it is fitted on them when somebody asks for the map.
LEAST_EVENTS = 50
#: So many rows are placed at a time: their numbers become float64 meanwhile.
_ROWS = 1 << 10


class Fit(Protocol):
    """Makes a projection from embeddings, ``(n, dim)``."""

    def __call__(self, vectors: Floats) -> "Projection": ...


@dataclass(frozen=True)
class Projection:
    """``(x - mean) @ matrix`` is the place of an embedding ``x``. ``matrix``: ``(dim, 2)``.

    ``events``: it was fitted on so many.
    """

    mean: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    events: int
    method: str

    def places(self, vectors: Floats) -> Floats:
        """``(n, 2)``; NaN for embeddings of another dimension."""
        if vectors.shape[1] != len(self.mean):
            return np.full((len(vectors), 2), np.nan, np.float32)
        found = np.empty((len(vectors), 2), np.float32)
        for at in range(0, len(vectors), _ROWS):
            found[at : at + _ROWS] = (vectors[at : at + _ROWS] - self.mean) @ self.matrix
        return found


class Layout:
    """Gives the rows their places. Before it is fitted, it keeps the embeddings of the rows that came."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.projection: Projection | None = None
        self._waiting: list[tuple[int, Numbers, Floats]] = []
        self._events: set[int] = set()

    @property
    def events(self) -> int:
        """How many different events have come before the fit."""
        return len(self._events)

    def add(self, start: int, events: Numbers, vectors: Floats) -> list[tuple[int, Floats]]:
        """Rows from the number ``start`` on: the hashes of their events, ``(n,)``, and their embeddings.

        Returns places that are known now: the number of the first row, and ``(n, 2)``.
        """
        if self.projection is not None:
            return [(start, self.projection.places(vectors))]
        if self._waiting and self._waiting[0][2].shape[1] != vectors.shape[1]:
            self._waiting, self._events = [], set()
        self._waiting.append((start, events, vectors))
        self._events.update(events.tolist())
        return self.settle() if len(self._events) >= FIT_EVENTS else []

    def settle(self) -> list[tuple[int, Floats]]:
        """Fit the layout on the events that are there; not on fewer than :data:`LEAST_EVENTS`."""
        if self.projection is not None or len(self._events) < LEAST_EVENTS:
            return []
        events = np.concatenate([each for _, each, _ in self._waiting])
        first = np.sort(np.unique(events, return_index=True)[1])[:FIT_EVENTS]
        vectors = np.concatenate([each for _, _, each in self._waiting])[first]
        self.projection = projection = self._fit(vectors)
        waiting, self._waiting, self._events = self._waiting, [], set()
        return [(start, projection.places(each)) for start, _, each in waiting]
