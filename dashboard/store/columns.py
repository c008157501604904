"""Columns of numbers that grow at the end and lose rows at the start."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

#: Column -> its type. ``key``: the number of the key. ``window``: the number of the window, which is a key
#: and a start. ``event``: the hash of key and id. ``source``: the number of the source. ``x``, ``y``: the
#: place on the map; NaN: it has none.
TYPES: dict[str, npt.DTypeLike] = {
    "window_start": np.int64,
    "window_end": np.int64,
    "ts": np.int64,
    "event": np.uint64,
    "revision": np.int32,
    "cluster": np.int32,
    "key": np.int32,
    "window": np.int32,
    "source": np.int16,
    "live": np.bool_,
    "latest": np.bool_,
    "score": np.float64,
    "novelty": np.float64,
    "surge": np.float64,
    "rarity": np.float64,
    "p_value": np.float64,
    "anomaly": np.float64,
    "x": np.float32,
    "y": np.float32,
}
_LEAST = 1 << 16
#: By how much the room grows when it is full.
_GROWTH = 1.25


class Columns:
    """``first``: the number of the row at the start. ``end``: the number after the last row."""

    def __init__(self) -> None:
        self.first = self.end = 0
        self._room = {name: np.empty(_LEAST, dtype) for name, dtype in TYPES.items()}

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, rows: Mapping[str, Column]) -> None:
        """Add rows, a column ``(n,)`` for each name in :data:`TYPES`. What was given out is not changed."""
        added = len(rows["ts"])
        had, needed = len(self), len(self) + added
        if needed > len(self._room["ts"]):
            size = max(needed, int(needed * _GROWTH))
            for name, old in self._room.items():
                self._room[name] = np.empty(size, old.dtype)
                self._room[name][:had] = old[:had]
        for name, room in self._room.items():
            room[had:needed] = rows[name]
        self.end += added

    def forget(self, before: int) -> None:
        """Remove the rows whose numbers are lower than ``before``."""
        gone, kept = before - self.first, self.end - before
        for name, old in self._room.items():
            self._room[name] = np.empty(len(old), old.dtype)
            self._room[name][:kept] = old[gone : gone + kept]
        self.first = before

    def column(self, name: str) -> Column:
        """``(n,)``: the column, a view."""
        return self._room[name][: len(self)]

    def views(self) -> dict[str, Column]:
        """All columns. ``live`` and ``latest`` are copies, because they may change later."""
        found = {name: self.column(name) for name in TYPES}
        return found | {name: found[name].copy() for name in ("live", "latest", "x", "y")}
