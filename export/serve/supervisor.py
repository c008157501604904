"""Runs one server, and sees to it that nothing of it outlives whoever asked for it.

A process of its own, standard library only: ``python supervisor.py FOLDER KEY SECONDS COMMAND...``. It writes
the server's process id to stdout, waits until its stdin closes (its parent let go, or died by any means)
or the server ends, stops the server, and removes its ``FOLDER``, the file ``KEY`` unless another server has
put its own there, and the shared memory that begins with that folder's name.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(folder: Path, key: Path, seconds: float, command: list[str]) -> int:
    """The server's exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    secret = key.read_bytes()
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  this process has one thread
    )
    try:
        print(server.pid, flush=True)
        ended = os.pidfd_open(server.pid)
        # Not one long wait: a signal that comes just before it blocks would not be seen.
        while not select.select([sys.stdin, ended], [], [], 1.0)[0]:
            pass
    finally:
        _stop(server, seconds)
        for region in Path("/dev/shm").glob(f"{folder.name}*"):
            region.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            if key.read_bytes() == secret:
                key.unlink()
    return server.returncode


def _stop(server: "subprocess.Popen[bytes]", seconds: float) -> None:
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(seconds)
    # The server leads its own group; its Python stubs are in it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
