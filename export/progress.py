"""Shows on stderr which step runs and since when: with a spinner on a terminal, as plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """A function to call with the name of each step when that step begins."""
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    begun = time.monotonic()

    def log(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.1f} s[/]  ", end="")
        console.print(step, markup=False)

    with console.status("working ..."):
        yield log
