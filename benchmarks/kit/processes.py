"""The CPU time and the memory of a server and its children, from ``/proc``."""

import os
from collections.abc import Iterator
from pathlib import Path


def _group(leader: int) -> Iterator[tuple[Path, list[str]]]:
    """Each process of a process group and of a session: its folder, and the fields of its ``stat`` that
    follow the name. A child may leave the group of its leader, but not its session.
    """
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if leader in (int(path.parent.name), int(fields[2]), int(fields[3])):
            yield path.parent, fields


def members(leader: int) -> list[int]:
    """The ids of the processes of the group and of the session that ``leader`` leads, itself included."""
    return [int(path.name) for path, _ in _group(leader)]


def cpu_seconds(leader: int) -> float:
    """CPU seconds of a process and of the group that it leads."""
    ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in _group(leader))
    return ticks / os.sysconf("SC_CLK_TCK")


def anonymous_bytes(leader: int) -> int:
    """Bytes of anonymous memory of a process and of the group that it leads."""
    total = 0
    for path, _ in _group(leader):
        for line in (path / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total
