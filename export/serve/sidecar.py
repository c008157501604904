"""The local sidecar: a real Triton server on loopback that never outlives the process that started it."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from dataflow.embed.repository import ENCODER, MODEL, Layout
from export import key
from export.errors import SidecarError
from export.serve import readiness, tritonserver

#: The address that the sidecar listens on.
HOST = readiness.HOST

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
#: Seconds that the server has to finish its requests when it is asked to stop.
_EXIT_SECONDS = 5
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
#: What each model instance passes tensors through. The Python backend begins with 1 MB, and may crash the
#: server when it needs more while requests run (triton-inference-server/server, issue 8882). This size is
#: enough for all but very long texts, and memory is taken only where something was written.
_SHARED_BYTES = 64 * 2**20
#: If a stub of Triton's Python backend gets no CPU for a second, Triton logs this and treats the stub as
#: dead, also during the warm-up, or it crashes (a ``lock_exception`` of Boost). On a busy machine, ``sbert``
#: was also seen not to load at all. Such a start is tried again.
_STARVED, _ATTEMPTS = "is not healthy", 3
#: The exit status of the supervisor is above this if a signal ended the server.
_SIGNALLED = 128


def free_port() -> int:
    """A loopback TCP port that is not in use now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port


class _StartError(SidecarError):
    """The server crashed or hung while it started. Another start may succeed."""


@dataclass(eq=False)
class Sidecar:
    """A Triton server with the models of ``repository``; a context manager that enters when they are ready.

    When this process ends, by any means, the server ends too. It leaves neither its key nor anything in
    ``/dev/shm``.
    """

    repository: Path
    _: KW_ONLY
    #: The server appends its log to this file.
    log: Path
    #: Holds a new key after each start, see :mod:`export.key`. ``Path()``: beside the log.
    key_file: Path = Path()
    #: 0: a free port.
    grpc_port: int = 0
    #: None: no HTTP.
    http_port: int | None = None
    #: None: no metrics.
    metrics_port: int | None = None
    #: Where the wheel's server is installed.
    venv: Path = tritonserver.VENV
    #: Another server binary, with backends of its own, in place of the one in ``venv``.
    binary: Path | None = None
    models: Sequence[str] = (ENCODER, MODEL)
    #: More arguments of the server.
    arguments: Sequence[str] = ()
    #: gRPC's credentials, for a server that uses TLS because ``arguments`` say so.
    credentials: Any = None

    def __post_init__(self) -> None:
        self.grpc_port = self.grpc_port or free_port()
        if self.key_file == Path():
            self.key_file = self.log.with_suffix(".key")
        #: The server's process id while the server runs.
        self.pid: int | None = None
        self._folder: Path | None = None
        self._supervisor: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """``host:port`` of the gRPC endpoint, for ``embed.url``."""
        return f"{HOST}:{self.grpc_port}"

    def __enter__(self) -> "Sidecar":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, and return when all its models are ready.

        A server that crashes meanwhile, or is not ready in two minutes, is started again, up to twice.
        Raises ``SidecarError`` with the end of the server's log if the server ends or is not ready in time.
        """
        self._require_models()
        self._require_free_ports()
        program = tritonserver.external(self.binary) if self.binary else tritonserver.from_wheel(self.venv)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._launch(program)
                break
            except SidecarError as error:
                again = isinstance(error, _StartError) or _STARVED in str(error)
                if attempt == _ATTEMPTS or not again:
                    raise

    def _launch(self, program: tritonserver.Server) -> None:
        secret = secrets.token_urlsafe(32)
        key.write(self.key_file, secret)
        self._folder = Path(tempfile.mkdtemp(prefix="driftline-"))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        supervisor = [sys.executable, "-I", str(_SUPERVISOR)]
        supervisor += [str(self._folder), str(self.key_file), str(_EXIT_SECONDS + 1)]
        try:
            with self.log.open("ab") as log:
                self._supervisor = subprocess.Popen(
                    [*supervisor, str(program.binary), *self._arguments(program, self._folder, secret)],
                    env=program.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,  # a Ctrl-C in the terminal is for this process only
                )
            self._wait_until_ready(self._supervisor)
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Block until the server ends by itself. Raises ``SidecarError`` then."""
        if self._supervisor:
            # Not one long wait: a signal that comes just before the wait blocks would not be seen.
            while self._supervisor.poll() is None:
                time.sleep(_POLL_SECONDS)
            raise SidecarError(self._says("ended"))

    def stop(self) -> None:
        """Stop the server if it runs. All its processes have ended when this returns."""
        if self._supervisor:
            # The supervisor stops the server when its stdin closes; leaving the block waits for that.
            with self._supervisor as supervisor, contextlib.suppress(BrokenPipeError):
                if supervisor.stdin:
                    supervisor.stdin.close()
        self._supervisor = self.pid = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def kill(self) -> None:
        """Kill the server at once, like a crash; :meth:`start` starts the server again."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def _require_models(self) -> None:
        for model in self.models:
            if not Layout(self.repository, name=model).config.is_file():
                raise SidecarError(
                    f"{self.repository}: holds no {model}; make it with `python -m export build MODEL`"
                )

    def _require_free_ports(self) -> None:
        for port in (self.grpc_port, *self._other_ports):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise SidecarError(
                        f"{HOST}:{port}: {error.strerror}; is another server running?"
                    ) from None

    @property
    def _other_ports(self) -> list[int]:
        return [port for port in (self.http_port, self.metrics_port) if port]

    def _arguments(self, program: tritonserver.Server, folder: Path, secret: str) -> list[str]:
        arguments = [
            f"--model-repository={self.repository.absolute()}",
            "--model-control-mode=explicit",
            *(f"--load-model={model}" for model in self.models),
            f"--grpc-address={HOST}",
            f"--grpc-port={self.grpc_port}",
            f"--exit-timeout-secs={_EXIT_SECONDS}",
            f"--backend-config=python,shm-default-byte-size={_SHARED_BYTES}",
            # A prefix of its own: the supervisor must not remove the shared memory of other servers.
            f"--backend-config=python,shm-region-prefix-name={folder.name}",
            "--disable-auto-complete-config",
            *key.flags(secret, http=self.http_port is not None),
            *self.arguments,
        ]
        for name, port in (("http", self.http_port), ("metrics", self.metrics_port)):
            if port:
                arguments += [f"--{name}-address={HOST}", f"--{name}-port={port}"]
            else:
                arguments += [f"--allow-{name}=false"]
        if backends := tritonserver.backend_directory(program, folder / "backends"):
            arguments += [f"--backend-directory={backends}"]
        return arguments

    def _wait_until_ready(self, supervisor: "subprocess.Popen[str]") -> None:
        assert supervisor.stdout is not None
        self.pid = int(supervisor.stdout.readline() or 0) or None
        until = time.monotonic() + _READY_SECONDS
        while not readiness.is_ready(self.grpc_port, self._other_ports, self.credentials):
            status = supervisor.poll()
            if status is not None and status > _SIGNALLED:
                raise _StartError(self._says("crashed before it was ready"))
            if status is not None:
                raise SidecarError(self._says("ended before it was ready"))
            if time.monotonic() > until:
                raise _StartError(self._says(f"was not ready in {_READY_SECONDS:g} s"))
            time.sleep(_POLL_SECONDS)

    def _says(self, what: str) -> str:
        """That the server did ``what``, and what its log says."""
        return f"the server {what}; its log says:\n{readiness.errors_in(self.log)}"
