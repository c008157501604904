"""A count that goes up: one line rewritten on a terminal, a line every few seconds elsewhere."""

import sys
import time
from types import TracebackType

_EVERY_S = 5.0


class Progress:
    """Context manager; ``show(count)`` as often as you like."""

    def __init__(self, what: str) -> None:
        self._what = what
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
        """Print the count and the seconds since the start."""
        now = time.monotonic()
        line = f"{count:>6} {self._what}, {now - self._begun:.0f} s"
        if self._terminal:
            print(f"\r{line}", end="", flush=True)
        elif last or now - self._shown >= _EVERY_S:
            self._shown = now
            print(line, flush=True)
