"""The local sidecar: a real Triton server on loopback that never outlives whoever started it."""

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
from pathlib import Path
from types import TracebackType
from typing import Any

from export import key
from export.errors import SidecarError
from export.repository.install import ENCODER, MODEL
from export.serve import tritonserver

#: The address that the server listens on.
HOST = "127.0.0.1"

_SUPERVISOR = Path(__file__).parent / "supervisor.py"
#: Seconds that the server is given to finish its requests when it is asked to stop.
_EXIT_SECONDS = 5
_POLL_SECONDS = 0.1
#: Triton takes a stub of its Python backend that gets no CPU for a second for dead, also while it warms up.
_STARVED, _ATTEMPTS = "is not healthy", 3


def free_port() -> int:
    """A loopback TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port


class Sidecar:
    """A Triton server with the models of ``repository``; a context manager, ready when entered.

    The server writes to the end of ``log``. Without ``grpc_port`` it takes a free one; without ``http_port``
    and ``metrics_port`` there is no HTTP and there are no metrics. ``key_file`` (default: beside the log)
    holds a new key after each start, see :mod:`export.key`. ``venv``: where the wheel's server is installed,
    unless ``tritonserver`` names another binary; ``arguments`` are given to it as they are, and
    ``credentials`` are gRPC's for a server that they tell to use TLS. When this process ends, by any means,
    the server goes too, and leaves neither its key nor anything in ``/dev/shm``.
    """

    def __init__(
        self,
        repository: Path,
        *,
        log: Path,
        key_file: Path | None = None,
        grpc_port: int | None = None,
        http_port: int | None = None,
        metrics_port: int | None = None,
        venv: Path = tritonserver.VENV,
        tritonserver: Path | None = None,
        models: Sequence[str] = (ENCODER, MODEL),
        arguments: Sequence[str] = (),
        credentials: Any = None,
        ready_timeout_seconds: float = 120.0,
    ) -> None:
        self.repository = repository
        self.grpc_port = grpc_port or free_port()
        self.http_port = http_port
        self.metrics_port = metrics_port
        #: The server's process id while it runs.
        self.pid: int | None = None
        self.log = log
        self.key_file = key_file or log.with_suffix(".key")
        self._venv = venv
        self._tritonserver = tritonserver
        self._models = models
        self._extra = arguments
        self._credentials = credentials
        self._ready_timeout_seconds = ready_timeout_seconds
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
        """Start the server and return when all its models are ready.

        Raises ``SidecarError`` with the end of the server's log when it ends or is not ready in time.
        """
        self._check()
        program = (
            tritonserver.external(self._tritonserver)
            if self._tritonserver
            else tritonserver.from_wheel(self._venv)
        )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._launch(program)
                break
            except SidecarError as error:
                if attempt == _ATTEMPTS or _STARVED not in str(error):
                    raise

    def _launch(self, program: tritonserver.Server) -> None:
        secret = secrets.token_urlsafe(32)
        key.write(self.key_file, secret)
        self._folder = Path(tempfile.mkdtemp(prefix="driftline-"))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        supervisor = [
            sys.executable,
            "-I",
            str(_SUPERVISOR),
            str(self._folder),
            str(self.key_file),
            str(_EXIT_SECONDS + 1),
        ]
        try:
            with self.log.open("ab") as log:
                self._supervisor = subprocess.Popen(
                    [*supervisor, str(program.binary), *self._arguments(program, self._folder, secret)],
                    env=program.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
                )
            self._wait_until_ready(self._supervisor)
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Block until the server ends by itself. Raises ``SidecarError`` then."""
        if self._supervisor:
            # Not one long wait: a signal that comes just before it blocks would not be seen.
            while self._supervisor.poll() is None:
                time.sleep(_POLL_SECONDS)
            raise SidecarError(f"the server ended; its log says:\n{_tail(self.log)}")

    def stop(self) -> None:
        """Stop the server if it runs; all its processes are gone when this returns."""
        if self._supervisor:
            # Closing its stdin is the order to stop; leaving the block waits for it.
            with self._supervisor as supervisor, contextlib.suppress(BrokenPipeError):
                if supervisor.stdin:
                    supervisor.stdin.close()
        self._supervisor = self.pid = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def kill(self) -> None:
        """Let the server die at once, as in a crash; :meth:`start` starts it again."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def _check(self) -> None:
        for model in self._models:
            if not (self.repository / model / "config.pbtxt").is_file():
                raise SidecarError(
                    f"{self.repository}: holds no {model}; make it with `python -m export build MODEL`"
                )
        for port in filter(None, (self.grpc_port, self.http_port, self.metrics_port)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise SidecarError(
                        f"{HOST}:{port}: {error.strerror}; is another server running?"
                    ) from None

    def _arguments(self, program: tritonserver.Server, folder: Path, secret: str) -> list[str]:
        arguments = [
            f"--model-repository={self.repository.absolute()}",
            "--model-control-mode=explicit",
            *(f"--load-model={model}" for model in self._models),
            f"--grpc-address={HOST}",
            f"--grpc-port={self.grpc_port}",
            f"--exit-timeout-secs={_EXIT_SECONDS}",
            # Its own prefix, so that the supervisor can tell this server's shared memory from others'.
            f"--backend-config=python,shm-region-prefix-name={folder.name}",
            "--disable-auto-complete-config",
            *key.flags(secret, http=self.http_port is not None),
            *self._extra,
        ]
        if self.http_port:
            arguments += [f"--http-address={HOST}", f"--http-port={self.http_port}"]
        else:
            arguments += ["--allow-http=false"]
        if self.metrics_port:
            arguments += [f"--metrics-address={HOST}", f"--metrics-port={self.metrics_port}"]
        else:
            arguments += ["--allow-metrics=false"]
        if backends := tritonserver.backend_directory(program, folder / "backends"):
            arguments += [f"--backend-directory={backends}"]
        return arguments

    def _wait_until_ready(self, supervisor: "subprocess.Popen[str]") -> None:
        assert supervisor.stdout is not None
        self.pid = int(supervisor.stdout.readline() or 0) or None
        until = time.monotonic() + self._ready_timeout_seconds
        while not self.is_ready():
            if supervisor.poll() is not None:
                raise SidecarError(f"the server ended before it was ready; its log says:\n{_tail(self.log)}")
            if time.monotonic() > until:
                seconds = self._ready_timeout_seconds
                raise SidecarError(
                    f"the server was not ready in {seconds:g} s; its log says:\n{_tail(self.log)}"
                )
            time.sleep(_POLL_SECONDS)

    def is_ready(self) -> bool:
        """Whether the server answers on all its ports, and all its models are ready."""
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415  not for `--help`
        from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: PLC0415

        # Triton opens them after gRPC.
        if not all(map(_listens, filter(None, (self.http_port, self.metrics_port)))):
            return False
        options = [("grpc.enable_http_proxy", 0)]
        with (
            grpc.secure_channel(self.url, self._credentials, options)
            if self._credentials
            else grpc.insecure_channel(self.url, options)
        ) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            try:
                return bool(stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5).ready)
            except grpc.RpcError:
                return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _tail(log: Path, lines: int = 12) -> str:
    """The log's errors, the latest ones, or else its end."""
    written = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # Without a GPU the server always complains of CUDA.
    errors = [line for line in written if line.startswith(("E", "error")) and "Cuda" not in line]
    return "\n".join((errors or written)[-lines:])
