"""The demo: starts Triton, runs the dataflow on a stream with known anomalies, and prints a report."""

import argparse
import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dataflow.clock import utc_now
from dataflow.endpoints.uri import parse_uri
from dataflow.errors import DriftlineError
from dataflow.settings import Embed, Settings
from dataflow.source.demo import open_source
from dataflow.source.demo_log import Plan, record
from demo import incidents, report
from demo.processes import Interrupts, running
from demo.progress import Progress
from demo.scored import Events, planted
from export.manage.verify import require_gpu_agrees
from export.serve.sidecar import Sidecar

COMMAND = ("-m", "bytewax.run", "dataflow.flow:flow")
OUT = Path("out/demo")
OUTPUTS = ("scores", "alerts", "drift", "late", "dead_letters", "windows")
#: The address of the sidecar that a user starts.
SIDECAR_URL = "127.0.0.1:8001"
_POLL_S = 0.2
_LAST_LINES = 20


def main(interrupts: Interrupts, argv: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 if the dataflow failed; 2, with one line on stderr, for a mistake of the user."""
    arguments = _parser().parse_args(argv)
    try:
        return _demo(arguments, interrupts)
    except DriftlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Runs Driftline on a generated stream with planted anomalies."
    )
    parser.add_argument("--source", default="demo:", help="a demo: URI; default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the output; default: %(default)s")
    parser.add_argument("--top", type=int, default=5, help="events of each list; default: %(default)s")
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repo"), help="model repository; default: %(default)s"
    )
    return parser


def _demo(arguments: argparse.Namespace, interrupts: Interrupts) -> int:
    plan = _plan(arguments.source)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for name in OUTPUTS:
        (out / f"{name}.jsonl").unlink(missing_ok=True)
    begun = time.monotonic()
    events = Events(out / "scores.jsonl")
    in_stream = planted(record(plan, index)["label"] for index in range(plan.events))
    print(
        f"The stream: {plan.events} generated log messages of a payments company, {in_stream.total()} of "
        "them planted anomalies.\nTriton: starting ...",
        flush=True,
    )
    with Sidecar(arguments.repository, log=out / "triton.log") as sidecar:
        try:
            print(f"Triton: ready on {sidecar.url} after {time.monotonic() - begun:.1f} s")
            embed = Embed(url=sidecar.url, repository=arguments.repository)
            if verdict := require_gpu_agrees(embed, arguments.repository):
                print(f"GPU: {verdict.precision}, mean cosine {verdict.cosine:.6f} to the reference")
            variables = environment(arguments.source, out, sidecar.url, arguments.repository)
            print(by_hand(variables, arguments.repository), flush=True)
            streaming = time.monotonic()
            code = _stream(variables, out / "dataflow.log", events, plan.events)
            streamed = time.monotonic() - streaming
        finally:
            interrupts.shielded = True
    interrupts.unshield()
    if code != 0:
        return _failed(code, out / "dataflow.log")
    _report(events, in_stream, arguments)
    rate = len(events) / streamed
    print(
        f"{len(events)} events ({events.rows} scores) in {streamed:.1f} s, {rate:.0f} events/s; "
        f"{time.monotonic() - begun:.1f} s in all"
    )
    page = (
        "make page" if arguments.out == OUT else shlex.join(["python", "-m", "dashboard", str(arguments.out)])
    )
    print(f"To look at all this in a browser: {page}")
    return 0


def _plan(uri: str) -> Plan:
    return open_source(Settings(), parse_uri(uri), utc_now, lambda *_: None).plan


def environment(uri: str, out: Path, url: str, repository: Path) -> dict[str, str]:
    """The settings of the dataflow, as environment variables."""
    return {
        "DRIFTLINE_SOURCE__URI": uri,
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__URL": url,
        "DRIFTLINE_EMBED__REPOSITORY": str(repository),
        "DRIFTLINE_WINDOW__KIND": "sliding",
        "DRIFTLINE_WINDOW__LENGTH": "10m",
        "DRIFTLINE_WINDOW__SLIDE": "5m",
        "DRIFTLINE_WINDOW__DELAY": "5m",
        "DRIFTLINE_SCORE__EXPLAIN": "2",
        # Unset, a suspect event waits for two hours, which is half of the stream.
        "DRIFTLINE_SCORE__QUARANTINE": "30m",
        "DRIFTLINE_SINK__EMBEDDINGS": "true",  # the map of the live page shows them
    } | {f"DRIFTLINE_SINK__{name.upper()}": f"file:{out}/{name}.jsonl" for name in OUTPUTS}


def by_hand(variables: dict[str, str], repository: Path) -> str:
    """The command of the dataflow, as a user types it, and how to run it after the demo."""
    pairs = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    python = os.path.relpath(sys.executable)
    command = " \\\n  ".join([*pairs, shlex.join([python, *COMMAND])])
    sidecar = shlex.join([python, "-m", "export", "sidecar", "--repository", str(repository)])
    return (
        f"\nThe demo runs this command:\n\n{command}\n\n"
        "Triton stops with the demo. To run the command yourself, start Triton in another terminal with\n"
        f"  {sidecar}\n"
        f"and set DRIFTLINE_EMBED__URL={SIDECAR_URL} in the command.\n"
    )


def _stream(variables: dict[str, str], log: Path, events: Events, total: int) -> int:
    # Settings of the user's shell would change the demo.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("DRIFTLINE_", "BYTEWAX_"))
    }
    with (
        running([sys.executable, *COMMAND], inherited | variables, log) as child,
        Progress(total, "events scored") as progress,
    ):
        while (code := child.poll()) is None:
            events.refresh()
            progress.show(len(events))
            time.sleep(_POLL_S)
        events.refresh()
        progress.show(len(events), last=True)
    return code


def _failed(code: int, log: Path) -> int:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    print("\n".join(last), file=sys.stderr)
    print(f"error: the dataflow ended with exit code {code}; the whole log is in {log}", file=sys.stderr)
    return 1


def _report(events: Events, in_stream: Counter[str], arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    console = Console(highlight=False, width=shutil.get_terminal_size((110, 24)).columns)
    report.show(console, events.all(), in_stream=in_stream, top=arguments.top)
    incidents.show(console, out / "alerts.jsonl", {event.id: event for event in events.all()})
    print(f"\nOutput: {', '.join(str(out / f'{name}.jsonl') for name in OUTPUTS)}")
    print(
        f"{_lines(out / 'windows.jsonl')} windows; {_lines(out / 'late.jsonl')} late events; "
        f"{_lines(out / 'dead_letters.jsonl')} dead letters"
    )


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
