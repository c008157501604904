"""Which files of a sequence were read to their end, under whatever name they have now."""

import logging
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dataflow.source.compressed import is_compressed, without_suffix
from dataflow.source.tail.marks import NOTHING, Mark, mark_of, unpacked_mark
from dataflow.source.tail.places import Entry, Place, stem
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
    """A file to read.

    ``mark``: of the bytes of the file itself that were read already. ``copied``: of the bytes that a copy of
    the file holds.
    """

    entry: Entry
    mark: Mark
    copied: Mark = NOTHING

    @property
    def size(self) -> int:
        """How many bytes are to be read."""
        return self.entry.size - self.mark.length


class Known:
    """The files that were read. A file that two listings in a row do not show is forgotten."""

    def __init__(self, stored: Iterable[Stored] = ()) -> None:
        self._files = {inode: Finished(path, Mark(length, d)) for path, inode, length, d in stored}
        self._missed: set[int] = set()
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
        """The files of a listing that are to be read. ``current``: the file that is being read.

        Raises ``MovedError`` if the files are not as the listing shows them.
        """
        found: list[Unread] = []
        copied: dict[str, Mark] = {}
        kept: dict[int, Finished] = {}
        checked: dict[int, Entry] = {}
        seen = {current.inode} if current else set()
        self._paths = {file.path: file for file in self._files.values()}
        listed = {entry.path: entry for entry in entries}
        for entry in entries:
            if entry.inode in seen:  # the file that is being read, or a link
                continue
            seen.add(entry.inode)
            before = self._files.get(entry.inode)
            if not _is_being_packed(entry.path):
                changed = self._checked.get(entry.inode) != entry
                if changed:
                    before = self._recognised(entry, current)
                checked[entry.inode] = entry
                mark = before.mark if before else NOTHING
                start = mark.length
                if not start and (copy := _copy_of(listed.get(stem(entry.path)), entry)):
                    copied[stem(entry.path)] = copy
                    del checked[entry.inode]
                elif entry.size > start and not (start and _is_whole(entry.path)):
                    found.append(Unread(entry, mark))
                elif entry.size > start and changed:
                    _say_ignored(entry, start)
            if before:
                kept[entry.inode] = before
        if entries:  # a folder that cannot be read forgets nothing
            missed = self._files.keys() - seen
            kept.update((inode, self._files[inode]) for inode in missed - self._missed)
            self._files, self._missed = kept, missed
            self._checked = checked
        return [file._replace(copied=copied.get(file.entry.path, NOTHING)) for file in found]

    def _recognised(self, entry: Entry, current: File | None) -> Finished | None:
        """What is known about a file: it was read, or holds a copy of what is or was read elsewhere."""
        if current and (mark := _copied(entry, current)):
            return Finished(entry.path, mark)
        before = (self._files.get(entry.inode), self._paths.get(stem(entry.path)))  # itself, or its log
        for file in filter(None, before):
            if file.mark.length and entry.mark(file.mark.length) == file.mark:
                return Finished(entry.path, file.mark)
        other = self._paths.get(entry.path)
        if other and other.mark == entry.mark(entry.size):  # restored from a backup
            return other
        for file in self._files.values():
            if _packs(entry.path, file.path):
                held = unpacked_mark(entry.path, entry.inode, file.mark.length, whole=True)
                if held == file.mark and (mark := entry.mark(entry.size)):
                    return Finished(entry.path, mark)
        return None


def rotated_before(place: Place) -> Known:
    """The logs that were rotated before now, as read. Raises ``MovedError`` if one is rotated now."""
    known = Known()
    entries = place.entries()
    live = {entry.inode for entry in entries if entry.path == place.live}
    for entry in entries:
        if entry.inode not in live and (mark := entry.mark(entry.size)):
            known.add(entry.path, entry.inode, mark)
    return known


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


def _copy_of(log: Entry | None, entry: Entry) -> Mark | None:
    """The mark of a copy of a log that is about to be truncated; ``None``: the file is no copy of it."""
    if log is None or log.path == entry.path or is_compressed(entry.path) or not 0 < entry.size <= log.size:
        return None
    mark = entry.mark(entry.size)
    return mark if mark == log.mark(entry.size) else None


def _copied(entry: Entry, current: File) -> Mark | None:
    """The mark of a file that holds a copy of what ``current`` holds; ``None`` if it does not."""
    if not isinstance(current, GrowingFile):
        return None
    if _packs(entry.path, current.path):
        mark = current.mark()
        same = not _is_being_packed(entry.path) and mark.length > 0
        same = same and unpacked_mark(entry.path, entry.inode, mark.length) == mark
        return entry.mark(entry.size) if same else None
    if entry.path == current.path or stem(entry.path) != current.path or not entry.size:
        return None
    copy = entry.mark(entry.size)
    both = current.ends(entry.size)  # a copy that is being made, or was made of a shorter log
    if both and copy == mark_of(entry.size, *both):
        return copy
    mark = current.mark()
    return copy if mark.length and entry.mark(mark.length) == mark else None
