"""Runs of the doctor in the process of a test."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.doctor.__main__ import main
from tests.support.flows import TEXT, environment, write_stream

#: The exit code, and check -> (status, message).
Examine = Callable[..., tuple[int, dict[str, tuple[str, str]]]]


def examiner(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    """The doctor on settings that are right, but for the settings that a test gives."""

    def look(*arguments: str, **settings: str) -> tuple[int, dict[str, tuple[str, str]]]:
        for name in [name for name in os.environ if name.startswith(("DRIFTLINE_", "BYTEWAX_"))]:
            monkeypatch.delenv(name)
        for name, value in environment(folder).items():
            monkeypatch.setenv(name, value)
        for name, value in settings.items():
            monkeypatch.setenv(name if name.startswith("BYTEWAX_") else f"DRIFTLINE_{name}", value)
        code = main(["--json", *arguments])
        written = capsys.readouterr()
        assert TEXT not in written.out + written.err
        assert "hunter2" not in written.out + written.err
        findings = [json.loads(line) for line in written.out.splitlines()]
        return code, {each["check"]: (each["status"], each["message"]) for each in findings}

    write_stream(folder, 30)
    return look


def statuses(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {check: status for check, (status, _) in found.items()}
