"""The command line of the doctor, without a check that needs a server."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dataflow.clock import EPOCH
from dataflow.doctor import Case, Finding, Status
from dataflow.doctor import __main__ as doctor
from dataflow.settings import Settings

CASE = Case(Settings(), None, False, EPOCH)


@pytest.fixture(autouse=True)
def _logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what the doctor does to the loggers of the process."""
    loggers = [logging.getLogger(), logging.getLogger("dataflow")]
    levels = [logger.level for logger in loggers]
    monkeypatch.setattr(loggers[0], "handlers", [])
    yield
    logging.captureWarnings(False)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_a_wrong_setting_skips_the_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_SCORE__KIND", "kmeens")
    assert doctor.main(["--json"]) == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [("settings", "wrong"), *((check, "skipped") for check in doctor.CHECKS)]
    assert [(finding["check"], finding["status"]) for finding in found] == expected
    assert doctor.main([]) == 2
    assert capsys.readouterr().out.startswith("wrong       settings           score.kind='kmeens': ")


def test_pinned_texts_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pinned.jsonl"
    path.write_text('{"text": 7}\n')
    monkeypatch.setenv("DRIFTLINE_SCORE__PINNED", str(path))
    assert doctor.main([]) == 2
    said = f"wrong       settings           {path}: line 1: text: 7 is not a text; send a string"
    assert capsys.readouterr().out.startswith(said)


def test_checks_with_an_unreachable_server_are_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, list[Status]] = {"source": ["ok"], "embedder": ["unreachable", "unreachable", "ok"]}
    checks = {check: lambda _, check=check: [Finding(check, answers[check].pop(0), "")] for check in answers}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    monkeypatch.setattr(doctor, "_PAUSE_S", 0)
    found = doctor.examine(CASE, timedelta(days=1))
    assert [(finding.check, finding.status) for finding in found] == [("source", "ok"), ("embedder", "ok")]
    assert capsys.readouterr().err == "waiting for: embedder\n" * 2


def test_without_wait_each_check_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"source": lambda _: [Finding("source", "unreachable", "")]})
    found = doctor.examine(CASE, timedelta(0))
    assert [finding.status for finding in found] == ["unreachable"]


def test_a_wait_without_a_unit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        doctor.main(["--wait=5"])
    assert "write it as 10m" in capsys.readouterr().err
