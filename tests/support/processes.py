"""Processes that a test starts. A test waits for what a process does, and never for a time.

A wait has no limit of its own: pytest-timeout ends a test that hangs. So a slow machine fails no test.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Process = subprocess.Popen[Any]


def wait_until(happened: Callable[[], object], *processes: Process) -> None:
    """Return when ``happened`` is true. Fails when one of ``processes`` ends before."""
    while not happened():
        for process in processes:
            assert process.poll() is None or happened(), (
                f"ended with code {process.returncode}: {process.args!r}"
            )
        time.sleep(0.02)


@contextmanager
def killed(processes: Sequence[Process]) -> Iterator[Sequence[Process]]:
    """Kills the processes that still run when the block ends."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            with process:  # closes its pipes and waits for its end
                pass


def errors_of(process: Process, code: int = 0) -> str:
    """Waits for the process, checks its exit code, and returns its standard error."""
    _, errors = process.communicate()
    text = errors.decode() if isinstance(errors, bytes) else str(errors)
    assert process.returncode == code, text
    return text


def size(path: Path) -> int:
    """The size of a file in bytes, 0 if there is no file."""
    return path.stat().st_size if path.exists() else 0
