"""The demo itself: Triton, and beside it the dataflow on a stream with known anomalies."""

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dataflow.clock import utc_now
from dataflow.endpoints import uri as uris
from dataflow.errors import DriftlineError
from dataflow.settings import Settings
from dataflow.source import demo as source
from dataflow.source.demo_log import Plan, anomaly
from demo import report
from demo.processes import Interrupts, running
from demo.progress import Progress
from export.serve.sidecar import Sidecar

COMMAND = ("-m", "bytewax.run", "dataflow.flow:flow")
OUTPUTS = ("scores", "late", "dead_letters", "windows")
_POLL_S = 0.2
_LAST_LINES = 20


def main(interrupts: Interrupts, arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if the dataflow failed; 2 with one line on stderr for what a user can put right."""
    options = _parser().parse_args(arguments)
    try:
        return _demo(options, interrupts)
    except DriftlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=sys.modules["demo"].__doc__)
    parser.add_argument("--source", default="demo:", help="a demo: URI; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="default: %(default)s")
    parser.add_argument("--top", type=int, default=20, help="rows of the table; default: %(default)s")
    parser.add_argument("--repository", type=Path, default=Path("model_repo"), help="default: %(default)s")
    return parser


def _demo(options: argparse.Namespace, interrupts: Interrupts) -> int:
    plan = _plan(options.source)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / f"{name}.jsonl").unlink(missing_ok=True)
    begun = time.monotonic()
    board = report.Board(out / "scores.jsonl")
    print("Triton: starting ...", flush=True)
    with Sidecar(options.repository, log=out / "triton.log") as sidecar:
        try:
            print(f"Triton: ready on {sidecar.url} in {time.monotonic() - begun:.1f} s")
            variables = environment(options.source, out, sidecar.url, options.repository)
            print(f"\n{by_hand(variables)}\n", flush=True)
            streaming = time.monotonic()
            code = _stream(variables, out / "dataflow.log", board, plan.events)
            streamed = time.monotonic() - streaming
        finally:
            interrupts.shielded = True
    interrupts.unshield()
    if code != 0:
        return _failed(code, out / "dataflow.log")
    _report(board, plan, options)
    rate = len(board) / streamed
    print(
        f"{len(board)} events ({board.rows} scores) in {streamed:.1f} s, {rate:.0f} events/s; "
        f"{time.monotonic() - begun:.1f} s in all"
    )
    return 0


def _plan(text: str) -> Plan:
    uri = uris.parse(text)
    return source.open_source(Settings(), uri, utc_now, lambda *_: None).plan


def environment(uri: str, out: Path, url: str, repository: Path) -> dict[str, str]:
    """The settings of the dataflow, as variables."""
    return {
        "DRIFTLINE_SOURCE__URI": uri,
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__URL": url,
        "DRIFTLINE_EMBED__REPOSITORY": str(repository),
        "DRIFTLINE_WINDOW__KIND": "sliding",
        "DRIFTLINE_WINDOW__LENGTH": "10m",
        "DRIFTLINE_WINDOW__SLIDE": "5m",
        "DRIFTLINE_WINDOW__DELAY": "5m",
    } | {f"DRIFTLINE_SINK__{name.upper()}": f"file:{out}/{name}.jsonl" for name in OUTPUTS}


def by_hand(variables: dict[str, str]) -> str:
    """What a reader types to run the same."""
    pairs = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " \\\n  ".join([*pairs, shlex.join([os.path.relpath(sys.executable), *COMMAND])])


def _stream(variables: dict[str, str], log: Path, board: report.Board, events: int) -> int:
    # Settings of the user's own shell would make it another demo.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("DRIFTLINE_", "BYTEWAX_"))
    }
    with (
        running([sys.executable, *COMMAND], inherited | variables, log) as child,
        Progress(f"events scored, of {events}") as progress,
    ):
        while (code := child.poll()) is None:
            board.refresh()
            progress.show(len(board))
            time.sleep(_POLL_S)
        board.refresh()
        progress.show(len(board), last=True)
    return code


def _failed(code: int, log: Path) -> int:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    print("\n".join(last), file=sys.stderr)
    print(f"error: the dataflow ended with exit code {code}; all it said is in {log}", file=sys.stderr)
    return 1


def _report(board: report.Board, plan: Plan, options: argparse.Namespace) -> None:
    out: Path = options.out
    console = Console(highlight=False, width=shutil.get_terminal_size((110, 24)).columns)
    report.show(console, board, planted=planted(plan), top=options.top)
    print(f"Output: {', '.join(str(out / f'{name}.jsonl') for name in OUTPUTS)}")
    print(
        f"{report.lines(out / 'windows.jsonl')} windows; {report.lines(out / 'late.jsonl')} late events; "
        f"{report.lines(out / 'dead_letters.jsonl')} dead letters"
    )


def planted(plan: Plan) -> int:
    """How many anomalies the stream holds."""
    return sum(anomaly(plan, index) is not None for index in range(plan.events))
