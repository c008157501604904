"""The demo's parts that need no server: its reader of scores, its children, its signals."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from dataflow import settings as config
from dataflow.source.demo_log import Plan
from demo import report, run
from demo.processes import Interrupts, running
from demo.progress import Progress


def scored(name: str, score: float, label: str | None = None) -> str:
    row = {
        "id": name,
        "score": score,
        "ts": "2026-03-02T06:01:02.5Z",
        "window_start": "2026-03-02T06:00:00Z",
        "window_end": "2026-03-02T06:10:00Z",
        "text": f"text of {name} [not markup]",
        "attributes": {"label": label, "service": "s"},
    }
    return json.dumps(row) + "\n"


def test_board_keeps_each_event_once_at_its_highest(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(scored("a", 0.5) + scored("b", 0.7) + scored("a", 0.9) + scored("b", 0.1))
    board = report.Board(path)
    board.refresh()
    assert [(event.id, event.score) for event in board.top(9)] == [("a", 0.9), ("b", 0.7)]
    assert (len(board), board.rows) == (2, 4)


def test_board_reads_on_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    board = report.Board(path)
    board.refresh()
    assert len(board) == 0
    line = scored("b", 0.7)
    path.write_text(scored("a", 0.5) + line[:40])
    board.refresh()
    assert len(board) == 1
    with path.open("a") as file:
        file.write(line[40:])
    board.refresh()
    assert len(board) == 2


def test_report_says_how_many_were_found(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(scored("a", 0.9, "chat") + scored("b", 0.8) + scored("c", 0.1, "hardware"))
    board = report.Board(path)
    board.refresh()
    output = io.StringIO()
    report.show(Console(file=output, width=100), board, planted=2, top=2)
    shown = output.getvalue()
    assert "1 of the 2 planted anomalies are in the top 2 (precision at 2: 0.50)" in shown
    assert "0.900" in shown
    assert "06:01:02" in shown
    assert "06:00-06:10" in shown
    assert "text of a [not markup]" in shown
    assert "text of c" not in shown


def test_an_empty_board_has_a_report() -> None:
    output = io.StringIO()
    report.show(Console(file=output), report.Board(Path("missing")), planted=0, top=3)
    assert "0 of the 0" in output.getvalue()


def test_the_settings_that_it_prints_are_settings() -> None:
    settings = config.load(
        run.environment("demo:?seed=3", Path("out/demo"), "127.0.0.1:8001", Path("model_repo"))
    )
    assert settings.source.uri == "demo:?seed=3"
    assert settings.sink.dead_letters == ("file:out/demo/dead_letters.jsonl",)
    shown = run.by_hand(run.environment("demo:?seed=3&events=5", Path("o"), "h:1", Path("r")))
    assert "DRIFTLINE_SOURCE__URI='demo:?seed=3&events=5' \\\n" in shown
    assert shown.endswith("-m bytewax.run dataflow.flow:flow")


def test_twenty_are_planted() -> None:
    assert run.planted(Plan()) == 20


class NoSignals(Interrupts):
    def __init__(self) -> None:
        self.seen = self.shielded = False


class NoSidecar:
    url = "127.0.0.1:1"

    def __init__(self, repository: Path, log: Path) -> None: ...

    def __enter__(self) -> "NoSidecar":
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_bad_source_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(NoSignals(), ["--source", "demo:?speed=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_when_the_dataflow_fails_its_last_words_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "Sidecar", NoSidecar)
    monkeypatch.setattr(run, "COMMAND", ("-c", "import sys; print('no such model'); sys.exit(3)"))
    (tmp_path / "scores.jsonl").write_text("of an earlier run\n")
    assert run.main(NoSignals(), ["--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("no such model\nerror: the dataflow ended with exit code 3; ")
    assert not (tmp_path / "scores.jsonl").exists()


def test_settings_of_the_shell_do_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_SCORE__KIND", "knn")
    monkeypatch.setenv("BYTEWAX_DATAFLOW_API_ENABLED", "1")
    monkeypatch.setattr(run, "Sidecar", NoSidecar)
    code = "import os; [print(name) for name in os.environ if name.startswith(('DRIFTLINE_', 'BYTEWAX_'))]"
    monkeypatch.setattr(run, "COMMAND", ("-c", code))
    assert run.main(NoSignals(), ["--out", str(tmp_path), "--source", "demo:?events=1"]) == 0
    names = (tmp_path / "dataflow.log").read_text().split()
    assert set(names) == set(run.environment("", tmp_path, "", tmp_path))


def test_progress_is_plain_lines_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("things") as progress:
        progress.show(1)
        progress.show(2, last=True)
    assert capsys.readouterr().out == "     2 things, 0 s\n"


STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(inner.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def first_line(path: Path) -> str:
    for _ in range(200):
        if path.exists() and "\n" in (text := path.read_text()):
            return text.splitlines()[0]
        time.sleep(0.05)
    raise AssertionError("it said nothing")


def gone(pid: int) -> bool:
    """The process is no more, or is a zombie that waits for init."""
    for _ in range(60):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_child_and_its_children_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes._PATIENCE_S", 0.2)
    log = tmp_path / "log"
    with running([sys.executable, "-c", STUBBORN], os.environ, log) as child:
        inner = int(first_line(log))
        assert child.poll() is None
    assert child.returncode == -signal.SIGKILL
    assert gone(inner)


def test_a_child_that_ended_is_left_in_peace(tmp_path: Path) -> None:
    with running(
        [sys.executable, "-c", "print(1); raise SystemExit(3)"], os.environ, tmp_path / "l"
    ) as child:
        assert child.wait() == 3
    assert (tmp_path / "l").read_text() == "1\n"


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, sys, time; from pathlib import Path; from demo.processes import Interrupts, running\n"
        f"with running([sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); "
        f"time.sleep(60)'], os.environ, Path({str(log)!r})):\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        child = int(first_line(log))
        parent.kill()
    assert gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_cut_the_clearing_up_short(number: signal.Signals) -> None:
    code = (
        "import os, signal, sys; from demo.processes import Interrupts\n"
        "interrupts = Interrupts()\n"
        "try:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "except KeyboardInterrupt:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('cleared up')\n"
        "    try:\n"
        "        interrupts.unshield()\n"
        "    except KeyboardInterrupt:\n"
        "        print('told')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cleared up\ntold\n", "")
