"""Which files of a sequence were read to their end, under whatever name they have now."""

import logging
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dataflow.source.compressed import is_compressed, without_suffix
from dataflow.source.tail.marks import Mark, file_mark, mark_of, unpacked_mark
from dataflow.source.tail.places import Entry, listed, stem
from dataflow.source.tail.readers import File, GrowingFile
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)

#: A finished file as the recovery store keeps it: path, inode, length, digest of the mark.
Stored = tuple[str, int, int, int]


class Finished(NamedTuple):
    """A file that was read. ``mark``: of the bytes of the file itself that were read."""

    path: str
    mark: Mark


class Unread(NamedTuple):
    """A file to read, from the position ``start`` of its content."""

    entry: Entry
    start: int


class Known:
    """The files that were read. A file that is gone is forgotten at the next listing."""

    def __init__(self, stored: Iterable[Stored] = ()) -> None:
        self._files = {inode: Finished(path, Mark(length, d)) for path, inode, length, d in stored}
        # What was found out about a file, as long as the file stays as it was.
        self._checked: dict[int, Entry] = {}
        self._paths: dict[str, Finished] = {}

    def state(self) -> list[Stored]:
        """What is remembered, as plain data."""
        return [(file.path, inode, *file.mark) for inode, file in self._files.items()]

    def add(self, path: str, inode: int, mark: Mark) -> None:
        """Remember a file as read."""
        self._files[inode] = Finished(path, mark)

    def unread(self, entries: Sequence[Entry], current: File | None) -> list[Unread]:
        """The files of a listing that are to be read. ``current``: the file that is being read."""
        found: list[Unread] = []
        kept: dict[int, Finished] = {}
        seen = {current.inode} if current else set()
        self._paths = {file.path: file for file in self._files.values()}
        for entry in entries:
            if entry.inode in seen:  # the file that is being read, or a link
                continue
            seen.add(entry.inode)
            before = self._files.get(entry.inode)
            if not _is_being_packed(entry.path):
                changed = self._checked.get(entry.inode) != entry
                if changed:
                    before = self._recognised(entry, current)
                    self._checked[entry.inode] = entry
                start = before.mark.length if before else 0
                if entry.size > start and not (start and _is_whole(entry.path)):
                    found.append(Unread(entry, start))
                elif entry.size > start and changed:
                    _say_ignored(entry, start)
            if before:
                kept[entry.inode] = before
        if entries:  # a folder that cannot be read forgets nothing
            self._files = kept
            self._checked = {inode: entry for inode, entry in self._checked.items() if inode in seen}
        return found

    def _recognised(self, entry: Entry, current: File | None) -> Finished | None:
        """What is known about a file: it was read, or holds a copy of what is or was read elsewhere."""
        if current and (mark := _copied(entry, current)):
            return Finished(entry.path, mark)
        file = self._files.get(entry.inode)
        if file and file_mark(entry.path, file.mark.length) == file.mark:
            return Finished(entry.path, file.mark)
        other = self._paths.get(entry.path)
        if other and other.mark == file_mark(entry.path, entry.size):  # restored from a backup
            return other
        packed = [file for file in self._files.values() if _packs(entry.path, file.path)]
        if any(unpacked_mark(entry.path, file.mark.length, whole=True) == file.mark for file in packed):
            mark = file_mark(entry.path, entry.size)
            return Finished(entry.path, mark) if mark else None
        return None


def _is_whole(path: str) -> bool:
    return is_compressed(path) or path.lower().endswith(".parquet")


def _say_ignored(entry: Entry, start: int) -> None:
    added = entry.size - start
    sentence = f"{entry.path}: grew by {added} bytes after it was read; they are not read; write a new file"
    _log.warning(Line("file_grown", sentence, path=entry.path, position=start, bytes=added))


def _packs(path: str, other: str) -> bool:
    """Whether ``path`` may be ``other`` after a compression."""
    return is_compressed(path) and not is_compressed(other) and stem(path) == stem(other)


def _is_being_packed(path: str) -> bool:
    # A program that compresses a file removes the file when the compressed file is complete.
    return is_compressed(path) and os.path.exists(without_suffix(path))


def _copied(entry: Entry, current: File) -> Mark | None:
    """The mark of a file that holds a copy of what ``current`` holds; ``None`` if it does not."""
    if not isinstance(current, GrowingFile):
        return None
    if _packs(entry.path, current.path):
        mark = current.mark()
        same = not _is_being_packed(entry.path) and mark.length > 0
        same = same and unpacked_mark(entry.path, mark.length) == mark
        return file_mark(entry.path, entry.size) if same else None
    if entry.path == current.path or stem(entry.path) != current.path or not entry.size:
        return None
    copy = file_mark(entry.path, entry.size)
    if both := current.ends(entry.size):  # a copy that is being made, or was made of a shorter log
        return copy if copy == mark_of(entry.size, *both) else None
    mark = current.mark()
    return copy if mark.length and file_mark(entry.path, mark.length) == mark else None


def locate(path: str, inode: int, mark: Mark, but: int | None = None) -> str | None:
    """Where the file with the content of ``mark`` is now: renamed, copied, compressed or in its place.

    ``path``: where it was; ``but``: the inode of a file that no longer has the content.
    """
    folder, packed = os.path.dirname(path), is_compressed(path)
    candidates = []
    for name in listed(folder):
        other = os.path.join(folder, name)
        try:
            status = os.stat(other)
        except OSError:
            continue
        near = status.st_ino == inode or stem(other) == stem(path)
        if near and status.st_ino != but:
            rank = (status.st_ino != inode, other != path, is_compressed(other), -status.st_mtime_ns)
            candidates.append((rank, other))
    for _, other in sorted(candidates):
        if is_compressed(other) == packed:
            if file_mark(other, mark.length) == mark:
                return other
        elif not packed and unpacked_mark(other, mark.length) == mark:
            return other
    return None
