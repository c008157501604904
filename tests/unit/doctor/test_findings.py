"""Errors become findings, and findings an exit code."""

import pytest

from dataflow.doctor import Finding, Status, exit_code, failed, found
from dataflow.errors import ContractError, OutageError, SettingsError, SourceError, UnreachableError

TEXT = "aardvark"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SettingsError("x"), "wrong"),
        (SourceError("x"), "wrong"),
        (ContractError("x"), "wrong"),
        (OutageError("x"), "unreachable"),
        (UnreachableError("x"), "unreachable"),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_our_own_errors_say_what_to_do(error: Exception, status: Status) -> None:
    assert failed("source", error) == Finding("source", status, "x")


def test_another_error_is_reported_without_its_message() -> None:
    def examine() -> Finding:
        raise ValueError(TEXT)

    finding = found("source", examine)
    assert (finding.check, finding.status) == ("source", "wrong")
    assert "the check itself failed: ValueError at " in finding.message
    assert " in examine" in finding.message
    assert TEXT not in finding.message


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        (["ok", "warning", "skipped"], 0),
        (["ok", "unreachable"], 1),
        (["unreachable", "wrong", "ok"], 2),
    ],
)
def test_the_worst_finding_decides_the_exit_code(statuses: list[Status], code: int) -> None:
    assert exit_code([Finding("x", status, "") for status in statuses]) == code
