"""``python -m benchmarks.demo``: what ``make demo`` finds, and how fast, as figures.

It runs the demo with the model of ``model_repo/`` on a Triton server of its own.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.kit.candidates import ROOT
from benchmarks.kit.figures import Figure, middle, report
from demo.scored import Event, Events, highest, planted

_RATE = re.compile(r"(\d+) events/s")


def found_by(events: list[Event], column: str, count: int) -> float:
    """How many planted events are among the ``count`` highest events by ``column``."""

    def value(event: Event) -> float | None:
        return event.score if column == "score" else event.evidence and getattr(event.evidence, column)

    return planted(event.label for event in highest(events, value, count)).total()


def run(folder: Path) -> list[Figure]:
    """The figures of one run. Raises ``CalledProcessError`` if the demo fails."""
    command = [sys.executable, "-m", "demo", "--out", str(folder)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    print(said)
    rate = _RATE.search(said)
    assert rate, "the demo says how fast it was"
    events = Events(folder / "scores.jsonl")
    events.refresh()
    count = planted(event.label for event in events.all()).total()
    return [
        *(
            middle(
                f"planted events among the {count} highest of {len(events):,} by `{column}`",
                [found_by(events.all(), column, count)],
            )
            for column in ("score", "novelty", "anomaly")
        ),
        middle(
            "events through the whole dataflow of the demo, MiniLM on the CPU", [float(rate[1])], "a second"
        ),
    ]


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.demo").parse_args()
    with TemporaryDirectory() as folder:
        report(run(Path(folder)))


if __name__ == "__main__":
    main()
