"""The demo with a stand-in for Triton: its settings, its command, and what it prints when something fails."""

from pathlib import Path

import pytest

from dataflow import settings
from demo import run
from demo.processes import Interrupts


class NoSignals(Interrupts):
    """Sets no signal handlers."""

    def __init__(self) -> None:
        self.seen = self.shielded = False


class NoSidecar:
    """Stands in for the sidecar and starts no server."""

    url = "127.0.0.1:1"

    def __init__(self, repository: Path, log: Path) -> None: ...

    def __enter__(self) -> "NoSidecar":
        return self

    def __exit__(self, *_: object) -> None: ...


def test_the_environment_has_valid_settings() -> None:
    found = settings.load(
        run.environment("demo:?seed=3", Path("out/demo"), "127.0.0.1:8001", Path("model_repo"))
    )
    assert found.source.uri == "demo:?seed=3"
    assert found.sink.dead_letters == ("file:out/demo/dead_letters.jsonl",)
    assert found.score.explain == 2


def test_the_printed_command_can_be_pasted() -> None:
    variables = run.environment("demo:?seed=3&events=5", Path("o"), "h:1", Path("my models"))
    shown = run.by_hand(variables, Path("my models"))
    assert "DRIFTLINE_SOURCE__URI='demo:?seed=3&events=5' \\\n" in shown
    assert "-m bytewax.run dataflow.flow:flow\n" in shown
    assert "-m export sidecar --repository 'my models'\n" in shown
    assert "DRIFTLINE_EMBED__URL=127.0.0.1:8001" in shown


def test_a_wrong_source_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(NoSignals(), ["--source", "demo:?speed=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_when_the_dataflow_fails_the_end_of_its_log_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "Sidecar", NoSidecar)
    monkeypatch.setattr(run, "COMMAND", ("-c", "import sys; print('no such model'); sys.exit(3)"))
    (tmp_path / "scores.jsonl").write_text("of an earlier run\n")
    assert run.main(NoSignals(), ["--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("no such model\nerror: the dataflow ended with exit code 3; ")
    assert not (tmp_path / "scores.jsonl").exists()


def test_settings_of_the_shell_do_not_reach_the_dataflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_SCORE__KIND", "knn")
    monkeypatch.setenv("BYTEWAX_DATAFLOW_API_ENABLED", "1")
    monkeypatch.setattr(run, "Sidecar", NoSidecar)
    code = "import os; [print(name) for name in os.environ if name.startswith(('DRIFTLINE_', 'BYTEWAX_'))]"
    monkeypatch.setattr(run, "COMMAND", ("-c", code))
    assert run.main(NoSignals(), ["--out", str(tmp_path), "--source", "demo:?events=1"]) == 0
    names = (tmp_path / "dataflow.log").read_text().split()
    assert set(names) == set(run.environment("", tmp_path, "", tmp_path))
