"""A small disk that a benchmark fills: a tmpfs for root, else a limit on the size of files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_BALLAST = "ballast"
#: The largest file that a limited process may write. The files of this repository's sinks and stores grow
#: beyond that at once.
_LIMIT_BYTES = 4096


class Disk(Protocol):
    """``folder`` is on the disk."""

    folder: Path
    how: str

    def fill(self) -> None:
        """From now on, nothing more can be written."""

    def free(self) -> None:
        """From now on, there is room."""

    def admit(self, pid: int) -> None:
        """A process that writes to the disk has started."""


class SmallDisk:
    """A tmpfs. ``fill`` writes a file that takes all that is free, so a write fails with ``ENOSPC``."""

    how = "a small tmpfs that is filled (ENOSPC)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        ballast = os.open(self.folder / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(ballast, bytes(size))
            except OSError:  # full
                continue
        os.close(ballast)

    def free(self) -> None:
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def admit(self, pid: int) -> None:
        pass


class LimitedFiles:
    """A folder whose writers may not make files of more than 4 KiB while the disk is full (``EFBIG``).

    The limit holds for all files of a process, on any disk.
    """

    how = "a limit on the size of files (RLIMIT_FSIZE, EFBIG), for the sink and the recovery store at once"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._full, self._pid = False, 0

    def fill(self) -> None:
        self._full = True
        self._limit()

    def free(self) -> None:
        self._full = False
        self._limit()

    def admit(self, pid: int) -> None:
        self._pid = pid
        if self._full:
            self._limit()

    def _limit(self) -> None:
        if not self._pid:
            return
        try:
            _, hard = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
            soft = _LIMIT_BYTES if self._full else hard
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (soft, hard))
        except ProcessLookupError:
            self._pid = 0


@contextmanager
def disk(folder: Path, megabytes: int, *, mount: bool = True) -> Iterator[Disk]:
    """A disk at ``folder``, which must exist. Without ``mount``, and without the right to mount, the disk is
    only a limit.
    """
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
    mounted = mount and os.geteuid() == 0
    mounted = (
        mounted and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    )
    if not mounted:
        yield LimitedFiles(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
