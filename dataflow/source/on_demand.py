"""Files that stay open only while few files are open: a glob may match more files than a process may open."""

import io
import os
import resource
import threading
from typing import Any

from dataflow.errors import SourceError

_LIMIT, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
#: How many files a process keeps open between two reads: a quarter of the usual limit of 1,024.
KEPT_OPEN = 256 if _LIMIT == resource.RLIM_INFINITY else min(256, _LIMIT // 4)
_ROOM = threading.BoundedSemaphore(KEPT_OPEN)


class OnDemandFile(io.RawIOBase):
    """The bytes of the file ``path``.

    The first read opens the file. If fewer than ``KEPT_OPEN`` files are open, the file stays open until
    ``close``; otherwise each read opens and closes the file.

    A read raises ``SourceError`` if the file cannot be opened, if another file has replaced it, or if it has
    become shorter than the bytes that were read. ``size``: the bytes of the file at the last read.
    """

    def __init__(self, path: str) -> None:
        self.size = 0
        self._path = path
        self._at = 0
        self._kept: int | None = None
        self._identity: tuple[int, int] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("can only seek from the start of the file")
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``, as ``io.RawIOBase`` does."""
        descriptor = self._open() if self._kept is None else self._kept
        try:
            count = os.preadv(descriptor, [buffer], self._at)
            self.size = os.fstat(descriptor).st_size
        finally:
            if self._kept is None:
                os.close(descriptor)
        if not count and self.size < self._at:
            raise shrunk(self._path, self._at)
        self._at += count
        return count

    def _open(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from None
        status = os.fstat(descriptor)
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            os.close(descriptor)
            raise SourceError(f"{self._path}: was replaced by another file while it was read")
        self._identity = identity
        if _ROOM.acquire(blocking=False):
            self._kept = descriptor
        return descriptor

    def close(self) -> None:
        if self._kept is not None:
            os.close(self._kept)
            self._kept = None
            _ROOM.release()
        super().close()


def shrunk(path: str, position: int, unit: str = "bytes") -> SourceError:
    """The error for a file that ends before ``position``, the number of bytes that were read before."""
    return SourceError(
        f"{path}: is shorter than the {position} {unit} that were read before; was the file replaced? "
        f"To read it from its start, start with an empty recovery directory"
    )
