"""What the two measurements of engines are asked on the command line."""

import argparse
from collections.abc import Sequence

from benchmarks.peers.engines.runs import DRIFTLINE, ENGINES, versions_of
from benchmarks.peers.environments import MissingError


def parse(
    parser: argparse.ArgumentParser, names: Sequence[str] = (*ENGINES, DRIFTLINE)
) -> tuple[argparse.Namespace, dict[str, str]]:
    """The arguments, with ``engines``, which may be any of ``names``, and the versions of these by name.

    Ends the program with one line if one of them cannot run here.
    """
    parser.add_argument("--engines", nargs="+", choices=names, default=names, metavar="ENGINE")
    arguments = parser.parse_args()
    try:
        return arguments, versions_of(arguments.engines)
    except MissingError as error:
        raise SystemExit(f"error: {error}") from None
