"""Processes that are forked from one that has imported what a flow needs.

A flow takes several seconds of processor time to import that, and tests start hundreds of flows. So
:class:`Forked` asks a server for a fork of itself, which goes on as ``python -m MODULE``. The server has no
threads and does nothing else.

There are two servers with different hash seeds, and they take turns: an order that depends on hashes differs
between two runs, as it does between two processes that are started.
"""

import ctypes
import importlib
import itertools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
_LONGEST = 1 << 20
#: What flows import, those with the scorers of scikit-learn too.
_IMPORTED = ("dataflow.flow", "pandas", "scipy.special", "sklearn.cluster", "sklearn.neighbors")


class Forked(subprocess.Popen[bytes]):
    """``python -m MODULE ARGUMENTS``, forked. ``streams``: the standard streams, as for
    :class:`subprocess.Popen`; the process has no other file descriptors.
    """

    def __init__(self, module: str, *arguments: str, env: Mapping[str, str], **streams: Any) -> None:
        super().__init__([module, *arguments], env=env, **streams)

    def _execute_child(self, args: list[str], *rest: Any) -> None:
        # The parameters are those of CPython 3.10 to 3.12, of which the last ones differ.
        env, (stdin, stdin_w, stdout_r, stdout, stderr_r, stderr) = rest[5], rest[9:15]
        streams = [other if own == -1 else own for other, own in enumerate((stdin, stdout, stderr))]
        request = json.dumps({"args": args, "env": dict(env), "cwd": os.getcwd()}).encode()
        server = next(_servers())
        socket.send_fds(server, [request], streams)
        self.pid = int(server.recv(_LONGEST))
        self._child_created = True
        self._close_pipe_fds(stdin, stdin_w, stdout_r, stdout, stderr_r, stderr)  # type: ignore[attr-defined]


@cache
def _servers() -> Iterator[socket.socket]:
    # The parent of an orphan is the nearest subreaper: so forks are children of this process.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    return itertools.cycle([_started(seed) for seed in (1, 2)])


def _started(seed: int) -> socket.socket:
    """A server. It ends when the socket is closed, which is when this process ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A process with threads must not fork.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with theirs:
        theirs.set_inheritable(True)
        command = [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())]
        # Popen would warn that the server still runs when the tests end.
        os.posix_spawn(sys.executable, command, {**os.environ, **threads, "PYTHONHASHSEED": str(seed)})
    return ours


def _serve(connection: socket.socket) -> dict[str, Any]:
    """Fork for each request. Returns the request in the fork, and never in the server."""
    while True:
        data, streams, _, _ = socket.recv_fds(connection, _LONGEST, 3)
        if not data:
            raise SystemExit
        read, write = os.pipe()
        if (between := os.fork()) == 0:
            if (fork := os.fork()) != 0:
                os.write(write, str(fork).encode())
                # Any other end would write a file of coverage.
                os.kill(os.getpid(), signal.SIGKILL)
            for descriptor in (read, write):
                os.close(descriptor)
            connection.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            request: dict[str, Any] = json.loads(data)
            return request
        for descriptor in (write, *streams):
            os.close(descriptor)
        # When the process between has ended, the fork is a child of the process of the test.
        os.waitpid(between, 0)
        connection.send(os.read(read, _LONGEST))
        os.close(read)


def _main() -> None:
    for module in _IMPORTED:
        importlib.import_module(module)
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    module, *sys.argv[1:] = request["args"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
