"""The dataflow as a child process, and the signals that end a demo."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_DIE_WITH_PARENT = Path(__file__).parents[1] / "export" / "serve" / "die_with_parent.py"
#: Seconds between a polite request to end and a kill.
_PATIENCE_S = 3.0


class Interrupts:
    """Turns the first SIGINT, SIGTERM or SIGHUP into ``KeyboardInterrupt``; those that follow, and
    those that come while ``shielded``, are only noted, so that nothing cuts the clearing up short.
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
        """Listen again. Raises ``KeyboardInterrupt`` if one came meanwhile."""
        self.shielded = False
        if self.seen:
            raise KeyboardInterrupt


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``command`` in a session of its own, its output in ``log``. All of it is gone at the end."""
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
