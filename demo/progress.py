"""Shows a growing count: rewrites one line on a terminal, and prints a line every few seconds elsewhere."""

import sys
import time
from types import TracebackType

_EVERY_S = 5.0


class Progress:
    """A context manager. ``show(count)`` may be called at any rate."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._begun = self._shown = time.monotonic()
        self._terminal = sys.stdout.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            print(flush=True)

    def show(self, count: int, *, last: bool = False) -> None:
        """Prints the count, the total and the seconds since the start."""
        now = time.monotonic()
        line = f"{count:>6} of {self._total} {self._what}, {now - self._begun:.0f} s"
        if self._terminal:
            print(f"\r{line}", end="", flush=True)
        elif last or now - self._shown >= _EVERY_S:
            self._shown = now
            print(line, flush=True)
