"""Runs the dataflow as a child process, and handles the signals that end the demo."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_DIE_WITH_PARENT = Path(__file__).parents[1] / "export" / "serve" / "die_with_parent.py"
#: Seconds from SIGTERM to SIGKILL.
_PATIENCE_S = 3.0


class Interrupts:
    """Turns the first SIGINT, SIGTERM or SIGHUP into ``KeyboardInterrupt``.

    Later signals, and signals that arrive while ``shielded`` is true, only set ``seen``. So no signal
    interrupts the cleanup.
    """

    def __init__(self) -> None:
        self.seen = False
        self.shielded = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.seen = True
        if not self.shielded:
            self.shielded = True
            raise KeyboardInterrupt

    def unshield(self) -> None:
        """Reacts to signals again. Raises ``KeyboardInterrupt`` if a signal arrived in the meantime."""
        self.shielded = False
        if self.seen:
            raise KeyboardInterrupt


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs ``command`` in its own session and writes its output to ``log``. Ends its whole process group."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, str(_DIE_WITH_PARENT), str(os.getpid()), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            continue
    child.wait()
