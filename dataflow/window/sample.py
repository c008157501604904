"""A uniform sample of the events of a window, which depends on the ids of the events alone.

The hash of an id gives the id a *level*: half of all ids have level 0, a quarter have level 1, an eighth have
level 2, and so on. A window of a key with more rows than ``window.max_window_rows``, or more bytes than
``window.max_window_bytes``, keeps the rows of level ``k`` and above, which is a share of about ``2**-k``.
``k`` is the smallest level that is enough, but no higher than the highest level of the window's events, so
that a window is never empty. So the same events are in the sample whatever the order of arrival, the batches,
the workers or the restarts.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.items.embedding import embedding_bytes
from dataflow.items.hashes import hashes
from dataflow.window.assigner import Pane
from dataflow.window.key_state import Cell, KeyState, Size

#: The highest level. It fits into one byte.
HIGHEST = 63
#: Gives the windows of a pane that are not gone.
Kept = Callable[[Pane], Sequence[int]]


def levels(ids: pa.Array) -> Int64s:
    """``(n,)`` the level of each id, from 0 to :data:`HIGHEST`.

    >>> levels(pa.array(["a", "b", "c", "d", "e", "f"])).tolist()
    [0, 0, 0, 1, 0, 1]
    """
    # The level is the number of leading zero bits of the hash.
    bits = np.frexp(hashes(ids).astype(np.float64))[1]
    level: Int64s = np.clip(64 - bits, 0, HIGHEST).astype(np.int64)
    return level


def row_bytes(rows: pa.RecordBatch) -> Int64s:
    """``(n,)`` the bytes of the embedding, the text, the masked text, the id and the attributes of each row.

    >>> from dataflow.items.embedding import embedding_field
    >>> names = ["id", "text", "attributes", "masked"]
    >>> rows = pa.record_batch([["a"], ["a text"], ["{}"], pa.array([None], pa.string())], names=names)
    >>> rows = rows.append_column(embedding_field(2), pa.array([[0, 1]], embedding_field(2).type))
    >>> row_bytes(rows).tolist()
    [17]
    """
    lengths = [pc.binary_length(rows.column(name)).to_numpy() for name in ("id", "text", "attributes")]
    lengths.append(pc.fill_null(pc.binary_length(rows.column("masked")), 0).to_numpy())
    size: Int64s = np.sum([*lengths, np.full(len(rows), embedding_bytes(rows))], axis=0, dtype=np.int64)
    return size


class Sample:
    """Decides which rows of the windows of a key are kept.

    ``most_rows``, ``most_bytes``: the most that a window keeps; ``None``: any number.
    """

    __slots__ = ("_most_bytes", "_most_rows")

    def __init__(self, most_rows: int | None, most_bytes: int | None) -> None:
        self._most_rows, self._most_bytes = most_rows, most_bytes

    def __bool__(self) -> bool:
        """Whether there is a limit."""
        return self._most_rows is not None or self._most_bytes is not None

    def admits(self, state: KeyState, cell: Cell, rows: int, kept: Kept) -> bool:
        """Note that events came in time. Returns whether at least one window keeps their rows."""
        state.seen[cell.pane] = state.seen.get(cell.pane, 0) + rows
        return cell.level >= self.lowest_level(state, cell.pane, kept)

    def tighten(self, state: KeyState, kept: Kept) -> list[Cell]:
        """Raise the level of each window that has too many rows. Returns the cells that no window needs."""
        for window in {window for pane in state.panes() for window in kept(pane)}:
            while self._too_large(cells := state.of_window(window, level := state.levels.get(window, 0))):
                # The rows of the highest level stay, even if they are more than the limit.
                if all(cell.level == level for cell, _ in cells):
                    break
                state.levels[window] = level + 1
        if not state.levels:
            return []
        lowest = {pane: self.lowest_level(state, pane, kept) for pane in state.panes()}
        return [cell for cell in state.cells if cell.level < lowest[cell.pane]]

    @staticmethod
    def lowest_level(state: KeyState, pane: Pane, kept: Kept) -> int:
        """The lowest level of the windows of a pane: no window needs the pane's rows below it."""
        return min((state.levels.get(window, 0) for window in kept(pane)), default=0)

    def _too_large(self, cells: Sequence[tuple[Cell, Size]]) -> bool:
        if self._most_rows is not None and sum(size.rows for _, size in cells) > self._most_rows:
            return True
        return self._most_bytes is not None and sum(size.bytes for _, size in cells) > self._most_bytes
