"""Opens a file that was seen before, although files may be renamed, copied and truncated meanwhile."""

import os
from collections.abc import Iterable
from contextlib import suppress

from dataflow.errors import SourceError
from dataflow.source.compressed import is_compressed
from dataflow.source.tail.known import Unread
from dataflow.source.tail.marks import MOST_TRIES, Mark, MovedError, file_mark, unpacked_mark
from dataflow.source.tail.places import listed, statuses, stem
from dataflow.source.tail.readers import GrowingFile, OpenReader, Reader


def open_unread(open_reader: OpenReader, unread: Unread) -> Reader:
    """Open a file of a listing.

    Raises ``MovedError`` if the file is not as the listing shows it; ``SourceError`` if it cannot be read.
    """
    entry = unread.entry
    reader = _opened(open_reader, entry.path, entry.inode, unread.mark.length)
    file = reader.file
    # The inode number may be that of a new file now. A file that has grown is read: it may grow all the time.
    same = file.size > entry.size or (file.size, file.mtime_ns) == (entry.size, entry.mtime_ns)
    if same and isinstance(file, GrowingFile):
        same = all(file.begins_with(mark) for mark in (unread.mark, unread.copied))
    if not same:
        file.close()
        raise MovedError(entry.path)
    return reader


def open_located(
    open_reader: OpenReader, path: str, inode: int, mark: Mark, at: int, but: int | None = None
) -> Reader | None:
    """Open the file with the content of ``mark`` at the position ``at``; ``None``: there is none now.

    ``path``, ``inode``: of the file when it was seen; it may be renamed, copied, compressed or in its place.
    ``but``: the inode of a file that no longer has the content. Raises ``SourceError`` if the file cannot be
    read, and ``MovedError`` if files are moved during each of ``MOST_TRIES`` looks.
    """
    for _ in range(MOST_TRIES):
        with suppress(MovedError):
            # A copy may be made, and the file truncated, during the first look.
            found = _locate(path, inode, mark, but) or _locate(path, inode, mark, but)
            if found is None:
                return None
            other, its_inode = found
            reader = _opened(open_reader, other, its_inode, at)
            if _holds(other, its_inode, mark, is_compressed(path)):
                return reader
            reader.file.close()
    raise MovedError(path)


def _opened(open_reader: OpenReader, path: str, inode: int, at: int) -> Reader:
    """A reader of the file ``inode``. Raises ``MovedError`` if this is not the file at ``path``."""
    try:
        reader = open_reader(path, at)
    except SourceError:
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == inode:
                raise
        raise MovedError(path) from None
    if reader.file.inode != inode:
        reader.file.close()
        raise MovedError(path)
    return reader


def _locate(path: str, inode: int, mark: Mark, but: int | None) -> tuple[str, int] | None:
    """The path and the inode of the file with the content of ``mark``."""

    def near() -> Iterable[str]:
        return (os.path.join(folder, name) for name in listed(folder))

    folder = os.path.dirname(path)
    candidates = []
    for other, status in statuses(near, {}).items():
        if (status.st_ino == inode or stem(other) == stem(path)) and status.st_ino != but:
            rank = (status.st_ino != inode, other != path, is_compressed(other), -status.st_mtime_ns)
            candidates.append((rank, other, status.st_ino))
    packed = is_compressed(path)
    for _, other, its_inode in sorted(candidates):
        if _holds(other, its_inode, mark, packed):
            return other, its_inode
    return None


def _holds(path: str, inode: int, mark: Mark, packed: bool) -> bool:
    """Whether the file begins with the content of ``mark``, which was in a ``packed`` file or not."""
    if is_compressed(path) == packed:
        return file_mark(path, inode, mark.length) == mark
    return not packed and unpacked_mark(path, inode, mark.length) == mark
