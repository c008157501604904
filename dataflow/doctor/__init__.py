"""``python -m dataflow.doctor``: is all there that the dataflow needs, and if not, what to do about it.

It looks and touches nothing: no topic, table or file is written, no consumer group joined, no offset
committed. What it says names fields, files and servers, never an event's text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from dataflow.errors import DriftlineError, OutageError, UnreachableError
from dataflow.settings import Settings
from dataflow.telemetry.logs import call_sites

#: ``away``: may pass by itself; ``wrong``: only a person can mend it; ``warning``: worth a look, no more.
Status = Literal["ok", "warning", "away", "wrong", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one check found, in one line that says what to do."""

    check: str
    status: Status
    message: str


@dataclass(frozen=True)
class Case:
    """What is examined. ``cluster``: the process is one of several, so others may hold the recovery store."""

    settings: Settings
    recovery: Path | None
    cluster: bool
    now: datetime


def found(check: str, look: Callable[[], Finding]) -> Finding:
    """What ``look`` finds, or the error that it raises as a finding."""
    try:
        return look()
    except (OutageError, UnreachableError) as error:
        return Finding(check, "away", str(error))
    except DriftlineError as error:
        return Finding(check, "wrong", str(error))
    except Exception as error:  # its message may quote an event, and the other checks are still to come
        where = call_sites(error.__traceback__)[-1]
        return Finding(
            check, "wrong", f"the check itself failed: {type(error).__name__} at {where}; report it"
        )


def exit_code(findings: list[Finding]) -> int:
    """2 if something is wrong, 1 if something is away, else 0."""
    statuses = {finding.status for finding in findings}
    return 2 if "wrong" in statuses else int("away" in statuses)
