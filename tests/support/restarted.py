"""A model server that is started again when it crashes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from export.errors import SidecarError
from export.serve import readiness
from export.serve.sidecar import Sidecar
from tests.support.processes import wait_until


@contextmanager
def started_again(sidecar: Sidecar) -> Iterator[None]:
    """Start the server again when it crashes, as ``python -m export sidecar`` does. Triton crashes now and
    then on a busy machine: it treats a stub of its Python backend that gets no CPU for a second as dead.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            if sidecar.pid is None or not Path(f"/proc/{sidecar.pid}").exists():
                sidecar.stop()
                with suppress(SidecarError):
                    sidecar.start()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def through_crashes(sidecar: Sidecar, command: Callable[[], int]) -> int:
    """The exit code of ``command``. A command that fails because the server has crashed runs again."""
    while True:
        pid = sidecar.pid
        code = command()
        if code != 1 or (sidecar.pid == pid and readiness.listens(sidecar.grpc_port)):
            return code
        wait_until(partial(_is_ready_again, sidecar, pid))


def _is_ready_again(sidecar: Sidecar, before: int | None) -> bool:
    return sidecar.pid not in (None, before) and readiness.is_ready(sidecar.grpc_port, ())
