"""The command line of :mod:`export.manage.commands`, which is imported only when one of its commands runs."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

#: command -> its function in :mod:`export.manage.commands`, and its help text.
COMMANDS = {
    "list": ("list_versions", "list the versions in the repository and on the server"),
    "load": ("load", "serve more versions; default: those that the repository asks for"),
    "unload": ("unload", "stop serving versions; default: all"),
    "promote": (
        "promote",
        "make a new version, load it, compare it with its reference, then unload the old one",
    ),
    "rollback": ("rollback", "serve the version before the one that is served"),
    "verify": ("verify_versions", "compare the server's answers with the stored reference"),
    "bench": ("bench_server", "measure latency and throughput by batch size and concurrency"),
}


def add(commands: Any) -> None:
    """Add the commands to the subparsers of :mod:`export.__main__`."""
    for name, (function, what) in COMMANDS.items():
        parser = commands.add_parser(name, help=what, description=what)
        parser.add_argument(
            "--url", default="127.0.0.1:8001", help="the server's gRPC address; default: %(default)s"
        )
        parser.add_argument(
            "--repository",
            type=Path,
            default=Path("model_repo"),
            help="the repository that the server reads; default: %(default)s",
        )
        parser.add_argument(
            "--key-file",
            type=Path,
            default=Path("out/triton.key"),
            help="the file with the server's key; default: %(default)s",
        )
        for option, what_for in _TLS.items():
            parser.add_argument(option, type=Path, metavar="PEM", help=what_for)
        if name in ("load", "unload", "verify"):
            parser.add_argument(
                "--version",
                type=_positive,
                action="append",
                default=[],
                help="a version number; repeat it for several versions",
            )
        if name in ("list", "verify", "bench"):
            parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        if name in _MORE:
            _MORE[name](parser)
        parser.set_defaults(run=_later(function))


def _later(function: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        code: int = getattr(import_module("export.manage.commands"), function)(arguments)
        return code

    return run


def _promote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help="as for build")
    parser.add_argument("--package", action="append", default=[], help="as for build")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache/driftline"),
        help="folder for downloaded weights; default: %(default)s",
    )
    parser.add_argument(
        "--from",
        dest="copy_from",
        type=Path,
        metavar="REPOSITORY",
        help="copy a version from this repository instead of exporting MODEL",
    )
    parser.add_argument(
        "--from-version", type=_positive, help="the version to copy; default: the newest of that repository"
    )
    parser.add_argument("--keep", action="store_true", help="serve the old versions, too")


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=_positive, metavar="VERSION", help="default: the version before the one that is served"
    )


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="compare with this sentence-transformers model instead of the stored reference",
    )


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch",
        type=_positive,
        nargs="+",
        default=[1, 8, 32, 128],
        help="texts per request; default: 1 8 32 128",
    )
    parser.add_argument(
        "--concurrency",
        type=_positive,
        nargs="+",
        default=[1, 4],
        help="clients that send requests at once; default: 1 4",
    )
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="how long each combination runs; default: %(default)s"
    )
    parser.add_argument(
        "--texts", type=Path, help="a file with one text per line; default: made-up log lines"
    )


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


_TLS = {
    "--tls-ca": "the authority that signed the server's certificate; turns TLS on",
    "--tls-certificate": "the client's certificate, for mutual TLS",
    "--tls-key": "the key of the client's certificate",
}
_MORE = {"promote": _promote, "rollback": _rollback, "verify": _verify, "bench": _bench}
