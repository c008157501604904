"""Shows on stderr which step runs, and for how long: a spinner on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """A function to call at the beginning of each step; on a terminal the running one spins."""
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    begun = time.monotonic()

    def log(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.1f} s[/]  ", end="")
        console.print(step, markup=False)

    with console.status("working ..."):
        yield log
