"""The command line of the backtest: what it decides, writes and prints."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.backtest import __main__ as backtest
from tests.support.recorded import SETTINGS, alerts, record, write_events

OTHER = '[alert]\nbudget = "40/d"\n'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    write_events(folder)
    record(folder)
    return folder / "out"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of the recorded run; and the loggers of the process as they were."""
    for name, value in SETTINGS.items():
        if name != "DRIFTLINE_ALERT__BUDGET":
            monkeypatch.setenv(name, value)
    loggers = [logging.getLogger(), logging.getLogger("dataflow")]
    levels = [logger.level for logger in loggers]
    monkeypatch.setattr(loggers[0], "handlers", [])
    yield
    logging.captureWarnings(False)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def run(out: Path, *words: object) -> dict[str, Any]:
    """The report of a backtest that succeeds."""
    assert backtest.main([*map(str, words), "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def settings(folder: Path, text: str) -> Path:
    path = folder / "other.toml"
    path.write_text(text)
    return path


def test_equal_settings_change_nothing(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = settings(tmp_path, '[alert]\nbudget = "400/d"\n')
    found = run(tmp_path / "b", "--from", recorded, "--settings", same)
    assert found["scores"] == "stored"
    assert found["settings"] == {}
    assert found["notes"] == []
    number = len({row["incident"] for row in alerts(recorded / "alerts.jsonl")})
    assert found["counts"] == {
        "before": number,
        "after": number,
        "same": number,
        "changed": 0,
        "new": 0,
        "gone": 0,
    }
    assert alerts(tmp_path / "b/alerts.jsonl") == alerts(recorded / "alerts.jsonl")
    assert f"incidents: {number} before, {number} now" in capsys.readouterr().out


def test_other_settings_of_alerts_are_decided_from_stored_scores(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--from", recorded, "--settings", settings(tmp_path, OTHER), "--labels", "odd")
    found = run(tmp_path / "b", *words)
    assert found["scores"] == "stored"
    assert found["settings"] == {"alert.budget": {"recorded": "400/d", "now": "40/d"}}
    counts = found["counts"]
    assert counts["gone"] > 0
    assert counts["same"] + counts["changed"] + counts["new"] == counts["after"]
    assert counts["same"] + counts["changed"] + counts["gone"] == counts["before"]
    assert sum(day["incidents"]["after"] for day in found["days"]) == counts["after"]
    assert sum(key["incidents"]["before"] for key in found["keys"]) == counts["before"]
    assert 0 < found["precision"]["after"]["share"] <= 1
    shown = capsys.readouterr().out
    assert "alert.budget: 400/d -> 40/d" in shown
    assert "gone:\n" in shown
    assert f"{counts['gone']} gone" in shown
    again = run(tmp_path / "again", *words, "--scores", "again")
    names = ("counts", "days", "keys", "precision", "new", "gone", "changed", "same")
    assert {name: again[name] for name in names} == {name: found[name] for name in names}


def test_other_settings_of_windows_make_the_scores_again(tmp_path: Path, recorded: Path) -> None:
    other = settings(tmp_path, '[alert]\nbudget = "400/d"\n[window]\nlength = "20m"\n')
    found = run(tmp_path / "b", "--from", recorded, "--settings", other)
    assert found["scores"] == "again"
    assert found["why"] == "window.length differs from the recorded settings"
    assert found["events"] == 800
    assert (tmp_path / "b/scores.parquet").is_dir()
    # The output is compared with that of another run, and replaced by the next one.
    same = run(tmp_path / "c", "--from", recorded, "--settings", other, "--compare", tmp_path / "b")
    assert same["counts"]["same"] == same["counts"]["after"] == found["counts"]["after"]
    assert run(tmp_path / "b", "--from", recorded, "--settings", other)["counts"] == found["counts"]


def test_without_other_alerts_all_incidents_are_shown(
    tmp_path: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores.parquet").symlink_to(recorded / "scores.parquet")
    found = run(tmp_path / "b", "--from", tmp_path, "--settings", settings(tmp_path, OTHER))
    assert found["compared_with"] is None
    assert found["counts"]["before"] is None
    assert len(found["new"]) == found["counts"]["after"] > 0
    assert "no alerts of another run to compare with" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "no"], "no: no such file or folder"),
        (["--from", "{recorded}", "--settings", "no.toml"], "no.toml: No such file or directory"),
        (
            ["--from", "{recorded}", "--compare", "no"],
            "no: no alerts; name the file or the table of sink.alerts, or its folder",
        ),
        (["--from", "{recorded}", "--compare", "{recorded}/late.jsonl"], None),
        (
            ["--from", "{recorded}", "--labels", "colour"],
            "--labels colour: the events have no such attribute; there are odd",
        ),
        (
            ["--from", "{recorded}", "--out", "{recorded}"],
            "--out {recorded}: has the recorded rows; name another folder",
        ),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    recorded: Path,
    words: list[str],
    said: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if said is None:
        (recorded / "late.jsonl").write_text('{"id":"x"}\n')
        said = "{recorded}/late.jsonl: holds no alerts; name the file of sink.alerts"
    assert backtest.main([word.format(recorded=recorded) for word in words]) == 2
    shown = capsys.readouterr().err
    assert shown == f"driftline: {said.format(recorded=recorded)}\n"


def test_without_a_reference_there_are_no_alerts(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_SCORE__REFERENCE", "false")
    monkeypatch.delenv("DRIFTLINE_SCORE__EXPLAIN")
    assert backtest.main(["--from", str(recorded)]) == 2
    assert "set score.reference = true" in capsys.readouterr().err


@pytest.mark.parametrize("scores", ["stored", "again"])
def test_if_nothing_stands_out_all_incidents_are_gone(
    tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch, scores: str
) -> None:
    monkeypatch.setenv("DRIFTLINE_ALERT__LEAST_ANOMALY", "500")
    counts = run(tmp_path / "b", "--from", recorded, "--scores", scores)["counts"]
    assert counts["after"] == 0
    assert counts["gone"] == counts["before"] > 0
