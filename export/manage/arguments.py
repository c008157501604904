"""The command line of :mod:`export.manage`, which is imported when one of its commands runs."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

#: command -> its function in :mod:`export.manage`, and what it does.
COMMANDS = {
    "list": ("list_versions", "repository and server side by side"),
    "load": ("load", "serve versions (unset: those the repository asks for) beside what is served"),
    "unload": ("unload", "let versions (unset: all) go"),
    "promote": ("promote", "make a new version, load and check it, then let the old one go"),
    "rollback": ("rollback", "serve the version before the one that is served"),
    "verify": ("verify_versions", "compare what the server gives with the reference"),
    "bench": ("bench_server", "latency and throughput by batch and concurrency"),
}


def add(commands: Any) -> None:
    """Add the commands to the subparsers of :mod:`export.__main__`."""
    for name, (function, what) in COMMANDS.items():
        parser = commands.add_parser(name, help=what, description=what)
        parser.add_argument("--url", default="127.0.0.1:8001", help="gRPC; default: %(default)s")
        parser.add_argument(
            "--repository", type=Path, default=Path("model_repo"), help="default: %(default)s"
        )
        parser.add_argument(
            "--key-file",
            type=Path,
            default=Path("out/triton.key"),
            help="with the server's key; default: %(default)s",
        )
        for option in ("--tls-ca", "--tls-certificate", "--tls-key"):
            parser.add_argument(option, type=Path, metavar="PEM")
        if name in ("load", "unload", "verify"):
            parser.add_argument(
                "--version", type=_positive, action="append", default=[], help="may be repeated"
            )
        if name in ("list", "verify", "bench"):
            parser.add_argument("--json", action="store_true", help="JSON instead of a table")
        if name in _MORE:
            _MORE[name](parser)
        parser.set_defaults(run=_later(function))


def _later(function: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        code: int = getattr(import_module("export.manage.commands"), function)(options)
        return code

    return run


def _promote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help="as for build")
    parser.add_argument("--package", action="append", default=[], help="as for build")
    parser.add_argument("--cache", type=Path, default=Path(".cache/driftline"), help="default: %(default)s")
    parser.add_argument("--from", dest="source", type=Path, metavar="REPOSITORY", help="copy from there")
    parser.add_argument("--from-version", type=_positive, help="default: the newest there")
    parser.add_argument("--keep", action="store_true", help="go on serving the old versions, too")


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=_positive, metavar="VERSION")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="ask this sentence-transformers model now"
    )


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=_positive, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--concurrency", type=_positive, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=3.0, help="a cell; default: %(default)s")
    parser.add_argument("--texts", type=Path, help="a file, one text a line; default: made-up log lines")


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


_MORE = {"promote": _promote, "rollback": _rollback, "verify": _verify, "bench": _bench}
