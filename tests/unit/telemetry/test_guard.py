"""Errors while the flow runs: one line in the log, then the process ends."""

import errno
import logging
import os

import pytest

from dataflow.errors import OutageError
from dataflow.telemetry.guard import exit_on_error, last_line, unguarded
from dataflow.telemetry.logs import Line

TEXT = "aardvark"


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The exit codes, and what was called before the end, in order."""
    found: list[object] = []

    def end(code: int) -> None:
        found.append(code)
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    return found


def failing(error: BaseException) -> object:
    raise error


def line(caplog: pytest.LogCaptureFixture) -> Line:
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert isinstance(record.msg, Line)
    assert (record.msg.name, record.msg.fields["exit_code"]) == ("error", 1)
    return record.msg


def test_an_error_is_logged_before_the_process_ends(
    caplog: pytest.LogCaptureFixture, ends: list[object]
) -> None:
    guard = exit_on_error(texts=False, before_exit=lambda: ends.append(str(line(caplog))))
    with pytest.raises(Ended):
        guard(failing)(OutageError("no answer for 600 s"))
    assert ends == ["no answer for 600 s", 1]


def test_what_is_not_an_error_passes(ends: list[object]) -> None:
    guard = exit_on_error(texts=False)
    assert guard(sum)([1, 2]) == 3
    for error in (StopIteration(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            guard(failing)(error)
    assert ends == []
    assert unguarded(failing) is failing


@pytest.mark.parametrize("texts", [False, True])
def test_the_message_of_an_error_may_quote_an_event(
    caplog: pytest.LogCaptureFixture, ends: list[object], texts: bool
) -> None:
    with pytest.raises(Ended):
        exit_on_error(texts)(failing)(ValueError(f"could not convert {TEXT!r}"))
    logged = line(caplog)
    assert (TEXT in logged) == texts
    assert logged.startswith("ValueError at ")
    assert "in failing" in str(logged.fields["traceback"])
    assert ends == [1]


def test_an_error_of_the_system_names_the_file(caplog: pytest.LogCaptureFixture, ends: list[object]) -> None:
    with pytest.raises(Ended):
        exit_on_error(texts=False)(failing)(OSError(errno.ENOSPC, TEXT, "out/scores.jsonl"))
    assert line(caplog).startswith(f"out/scores.jsonl: {os.strerror(errno.ENOSPC)}; at ")
    assert TEXT not in line(caplog)


def test_an_error_of_the_recovery_store_is_named(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError('...SqliteFailure(Error { code: DiskFull }, Some("database or disk is full"))...')
    called: list[int] = []
    last_line(texts=False, failed=lambda: called.append(1))(RuntimeError, error, None)
    assert called == [1]
    assert line(caplog).startswith("the recovery store cannot be written: database or disk is full; ")
