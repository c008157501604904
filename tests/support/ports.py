"""TCP ports of the loopback interface for the servers of a test."""

import itertools
import os
import random
import socket

#: Below the ports that Linux gives to outgoing connections, so that none of those takes a port of a test.
_FIRST, _END = 10_000, 32_000
#: The workers of pytest-xdist share the machine: each takes its own ports.
_WORKERS = 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_start = random.Random(os.getpid()).randrange(0, _END - _FIRST, _WORKERS)
_steps = itertools.count(_start + _worker, _WORKERS)


def free_port() -> int:
    """A port that no process listens on, and that this process has not given before."""
    while True:
        port = _FIRST + next(_steps) % (_END - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
