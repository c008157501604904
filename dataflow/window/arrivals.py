"""The rows and the stamps of a key group, which come to the group by two ways, in one order."""

from collections import deque
from collections.abc import Iterator

from dataflow.errors import LostRowsError
from dataflow.window.messages import GroupRows, Run, Stamp


class Arrivals:
    """Pairs the rows of each run with their stamp.

    The stamps decide the order. A stamp waits for its rows, and all stamps after it wait, too.
    """

    __slots__ = ("_rows", "_stamps")

    def __init__(self) -> None:
        self._rows: dict[Run, GroupRows] = {}
        self._stamps: deque[Stamp] = deque()

    def take(self, item: GroupRows | Stamp) -> Iterator[tuple[Stamp, GroupRows | None]]:
        """Add rows or a stamp. Returns the stamps that are complete now, each with its rows, in order."""
        if isinstance(item, GroupRows):
            self._rows[item.run] = item
        else:
            self._stamps.append(item)
        while self._stamps:
            run = self._stamps[0].run
            if run is None:
                yield self._stamps.popleft(), None
            elif run in self._rows:
                yield self._stamps.popleft(), self._rows.pop(run)
            else:
                return

    def check_empty(self) -> None:
        """Raise ``LostRowsError`` if rows or stamps wait: both of a run come in one epoch."""
        if self._rows or self._stamps:
            raise LostRowsError(
                "rows of the window stage did not come within their epoch; start again; please report it"
            )
