"""What the window machine knows of one key, or of all keys of a group: numbers of rows, but no rows."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dataflow.window.assigner import Pane


class Cell(NamedTuple):
    """Rows that are all the same to the window machine, so that it only counts them.

    ``pane``: their pane. ``level``: their sampling level (:mod:`dataflow.window.sample`); 0 if windows have
    no limit. ``chunk``: the chunk that holds them.
    """

    pane: Pane
    level: int
    chunk: int


class Size(NamedTuple):
    """A number of rows, and their bytes; 0 bytes if no limit depends on them."""

    rows: int
    bytes: int


class KeyState:
    """The rows of a key by cell, and what is known of its windows. ``state`` is what :meth:`snapshot`
    returned.

    ``cells``: the size of each cell that a window needs. ``revision``: the revision that a window has when it
    is next emitted, for windows that were emitted and are not gone. ``changed``: the windows that have ended,
    and got more events since they were last emitted. ``levels``: the sampling level of each window that is
    sampled. ``seen``: how many events came in time, by pane, if windows have a limit.
    """

    __slots__ = ("cells", "changed", "levels", "revision", "seen")

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.cells: dict[Cell, Size] = {
            Cell(Pane(first, last), level, chunk): Size(rows, size)
            for first, last, level, chunk, rows, size in state.get("cells", ())
        }
        self.revision: dict[int, int] = dict(state.get("revision", ()))
        self.changed: dict[int, None] = dict.fromkeys(state.get("changed", ()))
        self.levels: dict[int, int] = dict(state.get("levels", ()))
        self.seen: dict[Pane, int] = {Pane(first, last): n for first, last, n in state.get("seen", ())}

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        state = {
            "cells": [(*pane, level, chunk, *size) for (pane, level, chunk), size in self.cells.items()],
            "revision": list(self.revision.items()),
            "changed": list(self.changed),
            "levels": list(self.levels.items()),
            "seen": [(*pane, n) for pane, n in self.seen.items()],
        }
        return {name: values for name, values in state.items() if values}

    def add(self, cell: Cell, size: Size) -> None:
        """Count rows into a cell."""
        rows, size_bytes = self.cells.get(cell, (0, 0))
        self.cells[cell] = Size(rows + size.rows, size_bytes + size.bytes)

    def panes(self) -> set[Pane]:
        """The panes that hold rows."""
        # Copied first, because the gauges ask in another thread.
        return {cell.pane for cell in list(self.cells)}

    def of_window(self, window: int, level: int) -> list[tuple[Cell, Size]]:
        """The cells of a window, with at least this sampling level."""
        return [
            (cell, size)
            for cell, size in self.cells.items()
            if cell.pane.first <= window <= cell.pane.last and cell.level >= level
        ]

    def seen_in(self, window: int) -> int:
        """How many events of a window came in time."""
        return sum(n for pane, n in self.seen.items() if pane.first <= window <= pane.last)

    def remove(self, cells: Iterable[Cell]) -> list[tuple[int, int]]:
        """Remove cells. Returns the chunk and the number of rows of each."""
        return [(cell.chunk, self.cells.pop(cell).rows) for cell in cells]

    def merge(self, old: int, new: int) -> None:
        """Session ``old`` has become part of session ``new``."""
        was, now = Pane(old, old), Pane(new, new)
        for cell in [cell for cell in self.cells if cell.pane == was]:
            self.add(cell._replace(pane=now), self.cells.pop(cell))
        if old in self.revision:
            self.revision[new] = max(self.revision.pop(old), self.revision.get(new, 0))
        if old in self.changed:
            del self.changed[old]
            self.changed[new] = None
        if was in self.seen:
            self.seen[now] = self.seen.get(now, 0) + self.seen.pop(was)
        # A lower level is not possible, because rows below the higher level may have been removed already.
        if old in self.levels:
            self.levels[new] = max(self.levels.get(new, 0), self.levels.pop(old))
