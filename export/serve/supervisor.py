"""Runs one server, and makes sure that no part of it outlives the process that asked for it.

This is a process of its own, standard library only: ``python supervisor.py FOLDER KEY SECONDS COMMAND...``.
It writes the server's process id to stdout. It waits until the server ends or its own stdin closes: the
parent closed it, or died by any means. Then it stops the server and removes ``FOLDER``, the shared memory
whose name begins with the folder's name, and the file ``KEY``, unless another server has put its own key
there.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


def main(folder: Path, key: Path, seconds: float, command: list[str]) -> int:
    """Run ``command``; the server has ``seconds`` to stop when it is asked to. Returns its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    secret = key.read_bytes()
    server = subprocess.Popen(
        [sys.executable, "-I", str(_DIE_WITH_PARENT), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        print(server.pid, flush=True)
        ended = os.pidfd_open(server.pid)
        # Not one long wait: a signal that comes just before the wait blocks would not be seen.
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
    # The server leads its own process group, which contains its Python stubs.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
