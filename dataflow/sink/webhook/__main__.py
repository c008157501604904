"""The command line of the spools of webhooks."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import DriftlineError, SettingsError
from dataflow.settings import load
from dataflow.sink.webhook.spool import Spool, names, path_of
from dataflow.telemetry import logs


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 2 with one line on stderr for a mistake of the user."""
    arguments = _parser().parse_args(words)
    try:
        folder = arguments.spool or Path(load().webhook.spool)
        for name in _chosen(folder, arguments.webhook):
            spool = Spool(path_of(folder, name))
            for line in _act(spool, arguments.action):
                print(logs.visible(f"{name}: {line}"))
            spool.close()
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 2
    return 0


def _chosen(folder: Path, name: str | None) -> list[str]:
    found = names(folder)
    if name is not None and name not in found:
        raise SettingsError(f"{folder}: no spool of {name!r}; there are {', '.join(found) or 'none'}")
    return [name] if name is not None else found


def _act(spool: Spool, action: str) -> list[str]:
    if action == "again":
        return [f"{spool.send_again()} changes wait again"]
    if action == "drop":
        return [f"{spool.drop()} changes dropped"]
    counts = spool.counts()
    lines = [f"{spool.uri}: {counts['waiting']} changes wait, {counts['refused']} are refused"]
    refused = [
        f"incident {incident} sequence {sequence}: {reason}"
        for incident, sequence, reason in spool.all_refused()
    ]
    return lines + refused


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.sink.webhook",
        description="Show what waits for webhooks and what they refused, and post it again.",
    )
    parser.add_argument(
        "action",
        choices=["show", "again", "drop"],
        help="show: what waits and what is refused; again: post what is refused again, also while the flow "
        "runs; drop: give up what is refused",
    )
    parser.add_argument("webhook", nargs="?", help="the name of a webhook, as `show` prints it; default: all")
    parser.add_argument("--spool", type=Path, help="the folder of the spools; default: webhook.spool")
    return parser


if __name__ == "__main__":
    sys.exit(main())
