"""The CPU time and the memory of a server and its children, from ``/proc``."""

import os
from collections.abc import Iterator
from contextlib import suppress
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


def cpu_by_program(leader: int) -> dict[str, float]:
    """CPU seconds of each program of a Triton server: ``tritonserver``, and each model in Python by name."""
    found: dict[str, float] = {}
    for path, _ in _group(leader):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        model = next((Path(part.decode()) for part in command[1:] if part.endswith(b"/model.py")), None)
        name = model.parents[1].name if model else "tritonserver"
        found[name] = found.get(name, 0.0) + _seconds_of_threads(path)
    return found


def _seconds_of_threads(process: Path) -> float:
    """CPU seconds of the threads that a process has; those that have ended are not counted."""
    nanoseconds = 0  # `stat` has hundredths of a second
    with suppress(OSError):  # the process ended meanwhile
        for path in (process / "task").glob("*/schedstat"):
            with suppress(OSError):  # the thread ended meanwhile
                nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


def anonymous_bytes(leader: int) -> int:
    """Bytes of anonymous memory of a process and of the group that it leads."""
    total = 0
    for path, _ in _group(leader):
        try:
            lines = (path / "status").read_text().splitlines()
        except OSError:  # it ended meanwhile
            continue
        for line in lines:
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total
