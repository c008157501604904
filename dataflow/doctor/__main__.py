"""The command line: one line a check, and an exit code that an init container can act on."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

from dataflow import settings as config
from dataflow.clock import utc_now
from dataflow.doctor import Case, Finding, embedder, exit_code, found, recovery, sink, source
from dataflow.score.scorers import open_scorer
from dataflow.settings import Settings
from dataflow.telemetry import logs
from dataflow.telemetry.traces import open_tracer

CHECKS: dict[str, Callable[[Case], list[Finding]]] = {
    "source": source.look,
    "sink": sink.look,
    "embedder": embedder.look,
    "recovery": recovery.look,
}
_PAUSE_S = 1.0


def main(arguments: list[str] | None = None) -> int:
    """0: all is well; 1: something is away, and may come by itself; 2: something has to be mended."""
    options = _parser().parse_args(arguments)
    # What is wrong is said below.
    logs.start(config.load_log().model_copy(update={"level": "error"}))
    run = config.bytewax_run()
    settings: list[Settings] = []
    first = found("settings", lambda: _settings(settings))
    if not settings:
        skipped = "needs the settings"
        findings = [first, *(Finding(check, "skipped", skipped) for check in CHECKS)]
    else:
        case = Case(settings[0], options.recovery or run.recovery, run.cluster, utc_now())
        findings = [first, *examine(case, options.wait)]
    for finding in findings:
        print(json.dumps(asdict(finding)) if options.json else _line(finding), flush=True)
    return exit_code(findings)


def examine(case: Case, wait: timedelta) -> list[Finding]:
    """All checks; again those in which something is away, until it is back or ``wait`` is over."""
    until = time.monotonic() + wait.total_seconds()
    results = {check: look(case) for check, look in CHECKS.items()}
    while time.monotonic() < until and (away := [c for c in CHECKS if exit_code(results[c]) == 1]):
        print(f"waiting for: {', '.join(away)}", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_S)
        results |= {check: CHECKS[check](replace(case, now=utc_now())) for check in away}
    return [finding for check in CHECKS for finding in results[check]]


def _settings(loaded: list[Settings]) -> Finding:
    settings = config.load()
    open_scorer(settings.score)
    open_tracer(settings.log).stop()  # raises if what the tracer needs is not installed
    loaded.append(settings)
    names = ", ".join(config.changed(settings))
    return Finding("settings", "ok", f"not at their default: {names}" if names else "all at their default")


def _line(finding: Finding) -> str:
    return logs.visible(f"{finding.status:8} {finding.check:18} {finding.message}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataflow.doctor", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="a JSON object a check")
    parser.add_argument(
        "--wait", type=_duration, default=timedelta(0), help="how long to wait for what is away, as in 2m"
    )
    parser.add_argument(
        "--recovery",
        type=Path,
        help="the store that -r of bytewax.run names; else BYTEWAX_RECOVERY_DIRECTORY",
    )
    return parser


def _duration(text: str) -> timedelta:
    try:
        return config.duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
