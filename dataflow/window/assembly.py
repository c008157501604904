"""Puts the parts of windows that are emitted together, each from one chunk, together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflow.clock import rfc3339
from dataflow.errors import LostRowsError
from dataflow.items.windows import KeyWindow, WholeWindows
from dataflow.window.messages import Part

#: What to do when the state has lost rows.
REMEDY = "restore a backup of the recovery store, or start with an empty one; please report it"


@dataclass
class Assembly:
    """Collects the parts of one emission until all parts have come."""

    _parts: list[Part] = field(default_factory=list)

    def take(self, part: Part) -> WholeWindows | None:
        """Add a part. Returns the whole windows if this was their last part."""
        self._parts.append(part)
        if len(self._parts) < part.parts:
            return None
        windows = part.windows
        if not isinstance(windows, KeyWindow):
            windows = {key: window for part in self._parts for key, window in _by_key(part).items()}
        rows = [rows for part in self._parts for rows in part.rows]
        return WholeWindows(windows, rows, part.arrival_us, part.emission, part.arrived)

    def snapshot(self) -> None:
        """``None``: all parts of a window come in one epoch. Raises ``LostRowsError`` if they did not."""
        if self._parts:
            part = self._parts[0]
            raise LostRowsError(
                f"the state has lost rows: {len(self._parts)} of {part.parts} parts of "
                f"{described(part.windows)} came; {REMEDY}"
            )


def _by_key(part: Part) -> Mapping[str, KeyWindow]:
    return {} if isinstance(part.windows, KeyWindow) else part.windows


def described(windows: KeyWindow | Mapping[str, KeyWindow]) -> str:
    """Windows in the words of an error message: the first of them, by its times."""
    start, end, _ = (windows if isinstance(windows, KeyWindow) else next(iter(windows.values()))).ref
    return f"the window from {rfc3339(start)} to {rfc3339(end)}"
