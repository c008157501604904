"""A region of shared memory that this process makes, and that a server on the same host writes answers into.

The file of a region is locked as long as its process lives, and the kernel unlocks it however the process
ends. So a file that nobody locks is what a killed process left.
"""

import contextlib
import fcntl
import mmap
import os
import secrets
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: Where POSIX shared memory is on Linux: the key ``/name`` is the file ``name`` here.
FOLDER = Path("/dev/shm")
#: How the name of the file of each region begins.
PREFIX = "driftline-embed-"
_ALIGNED = 64


class Slot(NamedTuple):
    """A part of a region, for one answer at a time. ``offset``, ``size``: bytes."""

    region: "Region"
    offset: int
    size: int

    def read(self, size: int) -> bytes:
        """A copy of the first ``size`` bytes."""
        return bytes(self.region.memory[self.offset : self.offset + size])


class Region:
    """Shared memory of ``slots`` parts of ``slot_bytes``, at least. Threads may take and free slots.

    A slot whose request did not end with an answer is not freed: the server may still write into it. Raises
    ``OSError`` if the memory is not there; it is reserved now, because a write to memory that is not there
    would kill the server.
    """

    def __init__(self, slots: int, slot_bytes: int, folder: Path = FOLDER) -> None:
        size = -(-slot_bytes // _ALIGNED) * _ALIGNED
        self.path, self._file = _locked_file(folder)
        self.name, self.size = self.path.name, slots * size
        try:
            os.posix_fallocate(self._file, 0, self.size)
            self.memory = mmap.mmap(self._file, self.size)
        except OSError:
            self._remove()
            raise
        # No number: so an answer that does not arrive is not taken for one.
        self.memory.write(b"\xff" * self.size)
        #: How many slots are not freed.
        self.given_up = 0
        self._free = deque(Slot(self, offset, size) for offset in range(0, self.size, size))

    def take(self) -> Slot | None:
        """A slot that no request has, or ``None``."""
        try:
            return self._free.popleft()
        except IndexError:
            return None

    def free(self, slot: Slot) -> None:
        """Give a slot back."""
        self._free.append(slot)

    def close(self) -> None:
        """Remove the file. The memory is there until no slot is in use, and no server has the region."""
        self._remove()

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def leftovers(folder: Path = FOLDER) -> Iterator[str]:
    """Remove the files of regions whose processes have ended. Yields the name of each."""
    for path in sorted(folder.glob(f"{PREFIX}*")):
        # Of another user, or removed by another process just now.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            file = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
                yield path.name
            except BlockingIOError:
                pass
            finally:
                os.close(file)


def _locked_file(folder: Path) -> tuple[Path, int]:
    """A new file that this process has locked."""
    while True:
        path = folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Another process may have taken it for a leftover before it was locked.
        if os.fstat(file).st_nlink:
            return path, file
        os.close(file)
