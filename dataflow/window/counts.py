"""What the window state machine knows of a key's chunks: how many rows, by pane and sampling level."""

from collections.abc import Callable, Mapping
from typing import Any

from dataflow.window.assigner import Pane

#: Rows that are alike for the machine: the pane, and the level of :mod:`dataflow.window.sample` (0 without).
Kind = tuple[Pane, int]

#: A chunk of so many rows takes no more, if they are this share of all the key's: so that a window has few
#: chunks, and one whose rows are needed in part wastes less than ``SLACK``.
FULL_ROWS, FULL_SHARE = 4096, 1 / 10
#: At a snapshot, a chunk of so many rows takes no more, so that it is never written again.
SEAL_ROWS = 256
#: Chunks are trimmed when rows that no window needs are more than this share of those needed.
SLACK = 0.15


class RowCounts:
    """Chunks by number, and the rows in each. One chunk at most is open: it takes the next rows."""

    __slots__ = ("_chunks", "_next", "_open")

    def __init__(self, state: Mapping[str, Any] | None = None, following: int = 0) -> None:
        self._chunks: dict[int, dict[Kind, int]] = {}
        self._open: int | None = None
        self._next = following
        if state:
            self._open, self._next = state["open"], state["next"]
            for chunk, rows in state["chunks"]:
                self._chunks[chunk] = {((first, last), level): n for first, last, level, n in rows}

    def snapshot(self) -> dict[str, Any]:
        """Plain data. Closes the open chunk if it is worth it (see ``SEAL_ROWS``)."""
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
        """Whether there are rows: no chunk is empty."""
        return bool(self._chunks)

    @property
    def following(self) -> int:
        """The number of the next chunk: numbers are never used again."""
        return self._next

    def chunks(self) -> list[int]:
        """The numbers of the chunks that hold rows."""
        return list(self._chunks)

    def panes(self) -> set[Pane]:
        """The panes that hold rows."""
        # Copied first: metrics are read in another thread.
        return {pane for rows in list(self._chunks.values()) for pane, _ in list(rows)}

    def append(self, rows: Mapping[Kind, int]) -> int:
        """Enter rows; the chunk that takes them."""
        if self._open is None:
            self._open, self._next = self._next, self._next + 1
            self._chunks[self._open] = {}
        chunk, known = self._open, self._chunks[self._open]
        for kind, n in rows.items():
            known[kind] = known.get(kind, 0) + n
        held = sum(known.values())
        if held >= FULL_ROWS and held >= FULL_SHARE * len(self):
            self._open = None
        return chunk

    def merge(self, gone: Pane, into: Pane) -> None:
        """The rows of one pane belong to another now."""
        for rows in self._chunks.values():
            for pane, level in [kind for kind in rows if kind[0] == gone]:
                rows[into, level] = rows.get((into, level), 0) + rows.pop((pane, level))

    def count(self, window: int, level: int) -> int:
        """The rows of a window from a level up."""
        return sum(self.holders(window, level).values())

    def holders(self, window: int, level: int) -> dict[int, int]:
        """The chunks with rows of a window from a level up, and how many."""
        held = {}
        for chunk, rows in self._chunks.items():
            n = sum([n for ((first, last), at), n in rows.items() if first <= window <= last and at >= level])
            if n:
                held[chunk] = n
        return held

    def reclaim(self, needed: Callable[[Kind], bool]) -> tuple[list[int], list[int]]:
        """Strike out rows that are not needed: (chunks with none that are, chunks to trim)."""
        spent = {kind for kind in set().union(*self._chunks.values()) if not needed(kind)}
        dead = {chunk: sum([rows[k] for k in spent & rows.keys()]) for chunk, rows in self._chunks.items()}
        dropped = [chunk for chunk, n in dead.items() if n == sum(self._chunks[chunk].values())]
        for chunk in dropped:
            del self._chunks[chunk], dead[chunk]
            self._open = None if self._open == chunk else self._open
        wasted = sum(dead.values())
        if wasted <= SLACK * (len(self) - wasted):
            return dropped, []
        trimmed = [chunk for chunk, n in dead.items() if n]
        for chunk in trimmed:
            self._chunks[chunk] = {kind: n for kind, n in self._chunks[chunk].items() if kind not in spent}
        return dropped, trimmed
