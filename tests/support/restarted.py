"""A model server that is started again when it crashes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
            if sidecar.pid and not Path(f"/proc/{sidecar.pid}").exists():
                sidecar.stop()
                sidecar.start()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def through_crashes(sidecar: Sidecar, command: Callable[[], int]) -> None:
    """Run ``command`` until it ends with code 0. It ends with 1 only if the server has crashed."""
    gone = [None, sidecar.pid]
    while (code := command()) != 0:
        assert code == 1
        wait_until(lambda: sidecar.pid not in gone)
        gone.append(sidecar.pid)
