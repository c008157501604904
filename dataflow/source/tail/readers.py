"""Readers of one file: a file that may still grow, and a compressed file, which is whole."""

import os
from collections.abc import Callable
from typing import Protocol

from dataflow.errors import SourceError
from dataflow.source.compressed import is_compressed, read_unpacked, skip, unpack
from dataflow.source.framing import Framer, Record
from dataflow.source.parquet import Rows
from dataflow.source.tail.marks import ENDS, Mark, MovedError, ends, mark_of

_BLOCK_BYTES = 1 << 18


class TruncatedError(Exception):
    """The bytes that were seen in a file are no longer in it."""


class File(Protocol):
    """An open file."""

    #: The current path, the inode, the size at the last read, in bytes, and the time of the last change when
    #: the file was opened.
    path: str
    inode: int
    size: int
    mtime_ns: int

    def mark(self) -> Mark:
        """Recognises the file: what was read of a file that grows, all of a file that is whole."""

    @property
    def unread(self) -> int:
        """How many bytes of the file are not read yet."""

    def close(self) -> None:
        """Close the file."""


class GrowingFile:
    """A file that may grow, be renamed, be removed, or be truncated while it is read."""

    def __init__(self, path: str, at: int) -> None:
        self.path = path
        self._descriptor = _open(path)
        self._at = at
        self._head, self._tail = ends(self._descriptor, at)
        self._ahead = os.pread(self._descriptor, ENDS, at)
        status = os.fstat(self._descriptor)
        self.inode, self.size, self.mtime_ns = status.st_ino, status.st_size, status.st_mtime_ns

    def read(self) -> bytes:
        """The next bytes; none at the end. Raises ``TruncatedError``."""
        # One read also shows whether the bytes around the position are still those that were seen.
        kept = len(self._tail)
        found = os.pread(self._descriptor, kept + _BLOCK_BYTES, self._at - kept)
        self.size = os.fstat(self._descriptor).st_size
        if not found.startswith(self._tail + self._ahead):
            raise TruncatedError
        block = found[kept:]
        self._at += len(block)
        self._head += block[: ENDS - len(self._head)]
        self._tail, self._ahead = found[-ENDS:], b""
        return block

    def mark(self) -> Mark:
        return mark_of(self._at, self._head, self._tail)

    def ends(self, length: int) -> tuple[bytes, bytes] | None:
        """The ends of the first ``length`` bytes that the file has now; ``None`` if the file is shorter."""
        if os.fstat(self._descriptor).st_size < length:
            return None
        return ends(self._descriptor, length)

    def begins_with(self, mark: Mark) -> bool:
        """Whether ``mark`` is that of the first bytes of the file now."""
        both = self.ends(mark.length)
        return both is not None and mark_of(mark.length, *both) == mark

    @property
    def unread(self) -> int:
        return max(0, self.size - self._at)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class WholeFile:
    """A file that does not grow. ``size`` counts the bytes of the file itself."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = os.fdopen(_open(path), "rb", buffering=0)
        status = os.fstat(self.content.fileno())
        self.inode, self.size, self.mtime_ns = status.st_ino, status.st_size, status.st_mtime_ns
        self._mark = mark_of(self.size, *ends(self.content.fileno(), self.size))

    def mark(self) -> Mark:
        return self._mark

    @property
    def unread(self) -> int:
        return max(0, self.size - self.content.tell())

    def close(self) -> None:
        """Close the file."""
        self.content.close()


class PackedFile(WholeFile):
    """A compressed file. ``at`` counts the bytes that the file holds."""

    def __init__(self, path: str, at: int) -> None:
        super().__init__(path)
        self._stream = unpack(path, self.content)
        try:
            if skip(self._stream, path, at) < at:
                raise SourceError(f"{path}: holds fewer than the {at} bytes that were read before")
        except SourceError:
            self.close()
            raise

    def read(self) -> bytes:
        """The next bytes; none at the end. Raises ``SourceError``."""
        return read_unpacked(self._stream, self.path)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise MovedError(path) from None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


class Reader(Protocol):
    """The records of one file from a position on.

    ``format``, ``header``: of the records; the header of CSV is known once it was read. ``whole``: the file
    does not grow. ``at``: where the next record starts, in bytes of the unpacked file, or in rows.
    """

    format: str
    header: bytes | None
    whole: bool

    @property
    def file(self) -> File:
        """The file that is read."""

    @property
    def at(self) -> int:
        """The position of the next record."""

    def read(self) -> list[Record] | None:
        """The next records, which may be none; ``None`` at the end.

        Raises ``TruncatedError``, ``SourceError``.
        """

    def finish(self) -> list[Record]:
        """The last record, if it has no line end."""


class LineReader:
    """See :class:`Reader`. A record has at most ``limit`` bytes and one more."""

    def __init__(self, path: str, at: int, format: str, limit: int) -> None:
        self.whole = is_compressed(path)
        self.header: bytes | None = None
        self.format, self._limit = format, limit
        if format == "csv" and at:
            first = LineReader(path, 0, format, limit)
            self.header = first.read_header()
            first.file.close()
        self.file: PackedFile | GrowingFile = PackedFile(path, at) if self.whole else GrowingFile(path, at)
        self._framer = Framer(format, limit, at)

    def read_header(self) -> bytes | None:
        """Read the header of CSV; ``None`` if the file has none yet."""
        while self.header is None and self.read() is not None:
            pass
        self.finish()
        return self.header

    @property
    def at(self) -> int:
        """The position of the next record, in bytes."""
        return self._framer.position

    def read(self) -> list[Record] | None:
        block = self.file.read()
        return self._without_header(self._framer.feed(block)) if block else None

    def finish(self) -> list[Record]:
        return self._without_header(self._framer.close())

    def _without_header(self, records: list[Record]) -> list[Record]:
        if self.format == "csv" and self.header is None and records:
            self.header = records.pop(0).raw
        return records


class RowReader:
    """See :class:`Reader`. The rows of a Parquet file; reads at most ``most`` at a time."""

    def __init__(self, path: str, at: int, most: int) -> None:
        self.format, self.whole = "jsonl", True
        self.header: bytes | None = None
        self.file = WholeFile(path)
        try:
            self._rows = Rows(path, self.file.content, most, at)
        except SourceError:
            self.file.close()
            raise

    @property
    def at(self) -> int:
        """The number of the next row."""
        return self._rows.at

    def read(self) -> list[Record] | None:
        return self._rows.read()

    def finish(self) -> list[Record]:
        return []


#: Opens the reader of the file ``path`` at a position. Raises ``MovedError`` if there is no such file.
OpenReader = Callable[[str, int], Reader]
