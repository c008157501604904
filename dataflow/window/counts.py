"""How many rows the chunks of a key hold: what the window machine knows about rows without holding them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dataflow.window.assigner import Pane

#: A chunk with this many rows takes no more rows if it also has this share of all rows of the key. So a
#: window has few chunks. A chunk in which only some rows are still needed wastes less than ``SLACK``.
FULL_ROWS, FULL_SHARE = 4096, 1 / 10
#: At a snapshot, a chunk with this many rows is closed: later snapshots need not write the chunk again.
SEAL_ROWS = 256
#: Chunks are trimmed when the rows that no window needs are more than this share of the rows needed.
SLACK = 0.15


class Kind(NamedTuple):
    """The rows of one kind are all the same to the window machine, so the machine only counts them.

    ``level``: the sampling level of the rows (:mod:`dataflow.window.sample`); 0 if windows have no limit.
    """

    pane: Pane
    level: int


class RowCounts:
    """The number of rows of each kind in each chunk of a key.

    Chunks have numbers, and a number is never used again. At most one chunk is open: it takes the next rows.
    ``state`` is what :meth:`snapshot` returned; ``next_chunk`` is the number of the first chunk of a key
    without state.
    """

    __slots__ = ("_chunks", "_next", "_open")

    def __init__(self, state: Mapping[str, Any] | None = None, next_chunk: int = 0) -> None:
        self._chunks: dict[int, dict[Kind, int]] = {}
        self._open: int | None = None
        self._next = next_chunk
        if state:
            self._open, self._next = state["open"], state["next"]
            for chunk, rows in state["chunks"]:
                self._chunks[chunk] = {Kind(Pane(a, b), level): n for a, b, level, n in rows}

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data. Closes the open chunk if it has enough rows (see ``SEAL_ROWS``)."""
        if self._open is not None and sum(self._chunks[self._open].values()) >= SEAL_ROWS:
            self._open = None
        chunks = [
            (chunk, [(*pane, level, n) for (pane, level), n in rows.items()])
            for chunk, rows in self._chunks.items()
        ]
        return {"open": self._open, "next": self._next, "chunks": chunks}

    def __len__(self) -> int:
        """The number of rows."""
        return sum(sum(rows.values()) for rows in self._chunks.values())

    def __bool__(self) -> bool:
        """Whether there are rows. A chunk without rows is removed, so it is enough to look for chunks."""
        return bool(self._chunks)

    @property
    def next_chunk(self) -> int:
        """The number of the next chunk."""
        return self._next

    def chunks(self) -> list[int]:
        """The numbers of the chunks."""
        return list(self._chunks)

    def panes(self) -> set[Pane]:
        """The panes that hold rows."""
        # Copied first, because the gauges ask in another thread.
        return {pane for rows in list(self._chunks.values()) for pane, _ in list(rows)}

    def append(self, rows: Mapping[Kind, int]) -> int:
        """Count rows into the open chunk, and return the chunk's number."""
        if self._open is None:
            self._open, self._next = self._next, self._next + 1
            self._chunks[self._open] = {}
        chunk, counts = self._open, self._chunks[self._open]
        for kind, n in rows.items():
            counts[kind] = counts.get(kind, 0) + n
        held = sum(counts.values())
        if held >= FULL_ROWS and held >= FULL_SHARE * len(self):
            self._open = None
        return chunk

    def merge(self, pane: Pane, into: Pane) -> None:
        """Count the rows of ``pane`` as rows of the pane ``into``: one session has joined another."""
        for counts in self._chunks.values():
            for old in [kind for kind in counts if kind.pane == pane]:
                new = Kind(into, old.level)
                counts[new] = counts.get(new, 0) + counts.pop(old)

    def count(self, window: int, level: int) -> int:
        """The number of rows of a window with at least this sampling level."""
        return sum(self.count_by_chunk(window, level).values())

    def count_by_chunk(self, window: int, level: int) -> dict[int, int]:
        """The number of rows of a window with at least this sampling level, for each chunk with such rows."""
        found = {}
        for chunk, rows in self._chunks.items():
            n = sum([n for ((first, last), at), n in rows.items() if first <= window <= last and at >= level])
            if n:
                found[chunk] = n
        return found

    def purge(self, needed: Callable[[Kind], bool]) -> tuple[list[int], list[int]]:
        """Stop counting rows that are not needed.

        Returns the chunks to drop (no row is needed), and the chunks to trim (some rows are not needed).
        Chunks are trimmed only if they hold more unneeded rows than ``SLACK`` allows.
        """
        unneeded = {kind for kind in set().union(*self._chunks.values()) if not needed(kind)}
        waste = {
            chunk: sum([counts[kind] for kind in unneeded & counts.keys()])
            for chunk, counts in self._chunks.items()
        }
        dropped = [chunk for chunk, n in waste.items() if n == sum(self._chunks[chunk].values())]
        for chunk in dropped:
            del self._chunks[chunk], waste[chunk]
            self._open = None if self._open == chunk else self._open
        wasted = sum(waste.values())
        if wasted <= SLACK * (len(self) - wasted):
            return dropped, []
        trimmed = [chunk for chunk, n in waste.items() if n]
        for chunk in trimmed:
            counts = self._chunks[chunk]
            self._chunks[chunk] = {kind: n for kind, n in counts.items() if kind not in unneeded}
        return dropped, trimmed
