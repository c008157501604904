"""``python -m dataflow.doctor`` checks what the dataflow needs, and says what to do if something is missing.

The doctor only reads: it writes no topic, table or file, joins no consumer group, and commits no offset. Its
messages name fields, files and servers, never the text of an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from dataflow.errors import DriftlineError, OutageError, UnreachableError
from dataflow.settings import Settings
from dataflow.telemetry.logs import call_sites

#: ``unreachable``: a server does not answer, which may pass; ``wrong``: somebody must fix it; ``warning``:
#: somebody should look at it.
Status = Literal["ok", "warning", "unreachable", "wrong", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one check found. ``message`` is one line that says what to do."""

    check: str
    status: Status
    message: str


@dataclass(frozen=True)
class Case:
    """What the doctor examines."""

    settings: Settings
    #: The folder of the recovery store; ``None``: the flow runs without a store.
    recovery: Path | None
    #: Whether the process is one of several: then another process may have the recovery store.
    cluster: bool
    now: datetime


def found(check: str, examine: Callable[[], Finding]) -> Finding:
    """What ``examine`` finds, or the finding about the error that it raises."""
    try:
        return examine()
    except Exception as error:
        return failed(check, error)


def failed(check: str, error: Exception) -> Finding:
    """The finding about an error that a check raised."""
    if isinstance(error, OutageError | UnreachableError):
        return Finding(check, "unreachable", str(error))
    if isinstance(error, DriftlineError):
        return Finding(check, "wrong", str(error))
    # The message of the error may quote an event.
    where = call_sites(error.__traceback__)[-1]
    message = f"the check itself failed: {type(error).__name__} at {where}; report it"
    return Finding(check, "wrong", message)


def exit_code(findings: list[Finding]) -> int:
    """2 if something is wrong, else 1 if a server is unreachable, else 0.

    >>> exit_code([Finding("source", "ok", ""), Finding("embedder", "unreachable", "")])
    1
    """
    statuses = {finding.status for finding in findings}
    return 2 if "wrong" in statuses else int("unreachable" in statuses)
