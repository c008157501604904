"""How many rows the chunks of a key group hold: what the window machine knows without holding rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

#: A chunk with this many rows takes no more rows if it also has this share of all rows of the group. So a
#: window has few chunks. A chunk in which only some rows are still needed wastes less than ``SLACK``.
FULL_ROWS, FULL_SHARE = 4096, 1 / 10
#: At a snapshot, a chunk with this many rows is closed: later snapshots need not write the chunk again.
SEAL_ROWS = 256
#: Chunks are trimmed when the rows that no window needs are more than this share of the rows needed.
SLACK = 0.15


class Reclaimed(NamedTuple):
    """Chunks to drop, because no row is needed, and chunks to trim, with the rows that stay in each."""

    dropped: list[int]
    trimmed: dict[int, int]


class ChunkCounts:
    """The rows of each chunk of a key group.

    Chunks have numbers, and a number is never used again. At most one chunk is open: it takes the next rows.
    ``state`` is what :meth:`snapshot` returned.
    """

    __slots__ = ("_held", "_needed", "_next", "_open")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"open": None, "next": 0, "chunks": ()}
        self._open: int | None = state["open"]
        self._next: int = state["next"]
        #: The rows that a chunk holds, and how many of them a window needs.
        self._held = {chunk: held for chunk, held, _ in state["chunks"]}
        self._needed = {chunk: needed for chunk, _, needed in state["chunks"]}

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Closes the open chunk if it has enough rows (see ``SEAL_ROWS``)."""
        if self._open is not None and self._held[self._open] >= SEAL_ROWS:
            self._open = None
        chunks = [(chunk, held, self._needed[chunk]) for chunk, held in self._held.items()]
        return {"open": self._open, "next": self._next, "chunks": chunks}

    def __len__(self) -> int:
        """The number of rows that windows need."""
        return sum(self._needed.values())

    def chunks(self) -> list[int]:
        """The numbers of the chunks that hold rows."""
        return list(self._held)

    def next_rows(self) -> int:
        """The number of the chunk that takes the next rows."""
        return self._next if self._open is None else self._open

    def append(self, rows: int) -> None:
        """Count rows into the chunk that :meth:`next_rows` names."""
        if self._open is None:
            self._open, self._next = self._next, self._next + 1
        chunk = self._open
        self._held[chunk] = held = self._held.get(chunk, 0) + rows
        self._needed[chunk] = self._needed.get(chunk, 0) + rows
        if held >= FULL_ROWS and held >= FULL_SHARE * sum(self._held.values()):
            self._open = None

    def release(self, chunk: int, rows: int) -> None:
        """Note that no window needs these rows of a chunk any more."""
        self._needed[chunk] -= rows

    def reclaim(self) -> Reclaimed:
        """Remove rows that no window needs, where that is worth the work (see ``SLACK``)."""
        dropped = [chunk for chunk, needed in self._needed.items() if not needed]
        for chunk in dropped:
            del self._held[chunk], self._needed[chunk]
            self._open = None if self._open == chunk else self._open
        needed = sum(self._needed.values())
        if sum(self._held.values()) - needed <= SLACK * needed:
            return Reclaimed(dropped, {})
        trimmed = {chunk: n for chunk, n in self._needed.items() if n < self._held[chunk]}
        self._held.update(trimmed)
        return Reclaimed(dropped, trimmed)
