"""Child processes of a test."""

import time
from pathlib import Path


def gone(pid: int) -> bool:
    """Whether the process ends, or has ended and waits as a zombie for init; asked for a minute at most."""
    for _ in range(1200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
