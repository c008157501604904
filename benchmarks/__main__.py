"""``python -m benchmarks``: runs benchmarks one after the other and prints one table of their figures.

Each benchmark is a script of its own; what it prints besides goes to ``out/bench/NAME.log``. The table and
the JSON file ``out/bench/bench.json`` say which machine and which versions were measured.

    --full          also those that take long
    --only NAME ... only these
    --page FILE     also write the table as a page of the documentation
    --list          the names and the commands; nothing is run
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.kit.figures import HEADS, VARIABLE, Figure, read
from benchmarks.kit.machine import describe
from benchmarks.kit.measure import markdown, table
from benchmarks.suite import SUITE, Benchmark
from dataflow.clock import utc_now

ROOT = Path(__file__).parents[1]
OUT = ROOT / "out" / "bench"
NOT_MEASURED = ("benchmark", "what", "why")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 1 if a benchmark failed. A goal that is missed is a figure like others, no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--full", action="store_true", help="also the benchmarks that take long")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in SUITE])
    parser.add_argument("--out", type=Path, default=OUT, help="folder of logs and JSON; default: out/bench")
    parser.add_argument("--page", type=Path, help="a Markdown file that gets the table")
    parser.add_argument("--list", action="store_true", help="print names and commands")
    arguments = parser.parse_args(argv)
    chosen = [
        each
        for each in SUITE
        if (each.name in arguments.only if arguments.only else arguments.full or not each.slow)
    ]
    if arguments.list:
        table("", ("name", "command", "in `make bench`"), [_listed(each) for each in chosen])
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments.out.mkdir(parents=True, exist_ok=True)
    machine, versions = describe(), dict[str, str]()
    results: list[dict[str, Any]] = []
    for each in chosen:
        results.append(run(each, arguments.out))
        versions |= results[-1]["versions"]
        # After each one, because `benchmarks.scale` reads what others measured.
        found = {"machine": machine, "versions": versions, "benchmarks": results}
        (arguments.out / "bench.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    rows = [(each["name"], *Figure(**figure).cells()) for each in results for figure in each["figures"]]
    table("Figures", ("benchmark", *HEADS), rows)
    left_out = [(each["name"], *item) for each in results for item in each["not_measured"].items()]
    if left_out:
        table("Not measured", NOT_MEASURED, left_out)
    table("Measured on", ("", ""), list({**machine, **versions}.items()))
    if arguments.page:
        arguments.page.write_text(page(rows, left_out, {**machine, **versions}, results), "utf-8")
    failed = [each["name"] for each in results if each["failed"]]
    if failed:
        print(f"\nfailed, see {arguments.out}/NAME.log: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def page(
    rows: Sequence[Sequence[str]],
    left_out: Sequence[Sequence[str]],
    measured_on: Mapping[str, str],
    results: Sequence[Mapping[str, Any]],
) -> str:
    """The page of the documentation: the figures, what has none, what was measured on, and the commands."""
    commands = [(each["name"], f"`{each['command']}`", each["seconds"]) for each in results]
    return (
        f"# Figures\n\nMade on {utc_now():%Y-%m-%d} by `python -m benchmarks`, which `make bench` and "
        "`make bench-full` run. [Benchmarks](benchmarks.md) says what is measured, and how.\n\n"
        + markdown(("benchmark", *HEADS), rows)
        + ("\n## Not measured\n\n" + markdown(NOT_MEASURED, left_out) if left_out else "")
        + "\n## Measured on\n\n"
        + markdown(("", ""), list(measured_on.items()))
        + "\n## Commands\n\n"
        + markdown(("benchmark", "command", "seconds"), commands)
    )


def _listed(each: Benchmark) -> tuple[str, str, str]:
    return each.name, f"`{each.command}`", "" if each.slow else "yes"


def run(each: Benchmark, out: Path) -> dict[str, Any]:
    """The figures of one benchmark, its versions, and how long it took.

    ``failed``: it ended with an error, or gave neither a figure nor a reason.
    """
    print(f"{each.name}: {each.command} ...", file=sys.stderr, flush=True)
    file = out / f"{each.name}.figures"
    file.unlink(missing_ok=True)
    began = time.monotonic()
    with (out / f"{each.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", each.module, *each.arguments],
            cwd=ROOT,
            env=os.environ | {VARIABLE: str(file)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                # Its servers and dataflows end with it, as they do after Ctrl-C.
                process.send_signal(signal.SIGINT)
                process.wait()
    said = read(file)
    file.unlink(missing_ok=True)
    return {
        "name": each.name,
        "command": each.command,
        "seconds": round(time.monotonic() - began),
        "failed": code != 0 or not (said.figures or said.not_measured),
        "figures": [asdict(figure) for figure in said.figures],
        "versions": said.versions,
        "not_measured": said.not_measured,
    }


if __name__ == "__main__":
    sys.exit(main())
