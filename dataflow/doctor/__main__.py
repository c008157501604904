"""The command line of the doctor: a line for each check, and an exit code for an init container."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

from dataflow.clock import utc_now
from dataflow.doctor import Case, Finding, embedder, exit_code, failed, recovery, sink, source
from dataflow.reference.pinned import read_pinned
from dataflow.score.scorers import open_scorer
from dataflow.settings import Settings, bytewax_run, changed, duration, load, load_log
from dataflow.telemetry import logs
from dataflow.telemetry.traces import open_tracer

CHECKS: dict[str, Callable[[Case], list[Finding]]] = {
    "source": source.findings,
    "sink": sink.findings,
    "embedder": embedder.findings,
    "recovery": recovery.findings,
}
_PAUSE_S = 1.0


def main(arguments: list[str] | None = None) -> int:
    """0: all is well; 1: a server is unreachable, which may pass; 2: somebody must fix something."""
    parsed = _parser().parse_args(arguments)
    # The findings are printed below, so the log holds errors only.
    logs.start(load_log().model_copy(update={"level": "error"}))
    findings = _findings(parsed.recovery, parsed.wait)
    for finding in findings:
        print(json.dumps(asdict(finding)) if parsed.json else _line(finding), flush=True)
    return exit_code(findings)


def _findings(recovery: Path | None, wait: timedelta) -> list[Finding]:
    try:
        settings = load()
        checked = _check_settings(settings)
    except Exception as error:
        skipped = [Finding(check, "skipped", "needs the settings") for check in CHECKS]
        return [failed("settings", error), *skipped]
    run = bytewax_run()
    case = Case(settings, recovery or run.recovery, run.cluster, utc_now())
    return [checked, *examine(case, wait)]


def examine(case: Case, wait: timedelta) -> list[Finding]:
    """Run all checks. Repeat those with an unreachable server until it answers or ``wait`` is over."""
    until = time.monotonic() + wait.total_seconds()
    results = {check: findings(case) for check, findings in CHECKS.items()}
    while time.monotonic() < until and (unreachable := [c for c in CHECKS if exit_code(results[c]) == 1]):
        print(f"waiting for: {', '.join(unreachable)}", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_S)
        results |= {check: CHECKS[check](replace(case, now=utc_now())) for check in unreachable}
    return [finding for check in CHECKS for finding in results[check]]


def _check_settings(settings: Settings) -> Finding:
    open_scorer(settings.score)
    read_pinned(settings, utc_now())
    open_tracer(settings.log).stop()  # raises if a package that the tracer needs is not installed
    names = ", ".join(changed(settings))
    return Finding("settings", "ok", f"not at their default: {names}" if names else "all at their default")


def _line(finding: Finding) -> str:
    return logs.visible(f"{finding.status:11} {finding.check:18} {finding.message}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataflow.doctor", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON object for each check")
    parser.add_argument(
        "--wait",
        type=_duration,
        default=timedelta(0),
        help="how long to wait for servers, as in 2m",
    )
    parser.add_argument(
        "--recovery",
        type=Path,
        help="the recovery store that -r of bytewax.run names; default: BYTEWAX_RECOVERY_DIRECTORY",
    )
    return parser


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
