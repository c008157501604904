"""What the two measurements of engines are asked on the command line."""

import argparse

from benchmarks.peers.engines.runs import DRIFTLINE, ENGINES, versions_of
from benchmarks.peers.environments import MissingError


def parse(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, str]]:
    """The arguments, with ``engines``, and the versions of these engines by name.

    Ends the program with one line if one of them cannot run here.
    """
    names = [*ENGINES, DRIFTLINE]
    parser.add_argument("--engines", nargs="+", choices=names, default=names, metavar="ENGINE")
    arguments = parser.parse_args()
    try:
        return arguments, versions_of(arguments.engines)
    except MissingError as error:
        raise SystemExit(f"error: {error}") from None
