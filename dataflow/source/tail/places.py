"""Where the files of a sequence are, and in which order they follow each other."""

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from dataflow.source.compressed import without_suffix
from dataflow.source.files import check_name
from dataflow.source.tail.marks import Mark, file_mark

#: The end of the name of a rotated file: ``.1``, ``-20260302``, ``.2026-03-02``, ``-2026-03-02T12:00``.
_ROTATED = re.compile(r"(?P<stem>.+?)(?P<suffix>(?:[.-]\d[\d._:T+Z-]*)?)", re.ASCII | re.DOTALL)
#: The age of a rotated file: 1 is the newest. A number with a leading zero counts up.
_AGE = re.compile(r"\.(0|[1-9]\d{0,3})", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
#: Files of a folder that somebody is still writing.
_UNFINISHED = (".tmp", ".part")

#: A folder is listed so often at most until a listing holds all that the one before it holds.
_MOST_LISTINGS = 5

Kind = Literal["file", "glob", "folder"]


class Entry(NamedTuple):
    """A file as a listing shows it. ``key``: its place in the order; ``size`` in bytes."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    key: Any

    def mark(self, length: int) -> Mark | None:
        """See :func:`~dataflow.source.tail.marks.file_mark`."""
        return file_mark(self.path, self.inode, length)


@lru_cache(1 << 16)
def stem(path: str) -> str:
    """``path`` without what a rotation and a compression add to it.

    >>> stem("logs/app.log.2.gz"), stem("app.log-20260302"), stem("2026-03-02.jsonl")
    ('logs/app.log', 'app.log', '2026-03-02.jsonl')
    """
    folder, name = os.path.split(without_suffix(path))
    match = _ROTATED.fullmatch(name)
    return os.path.join(folder, match["stem"] if match else name)


@lru_cache(1 << 16)
def by_name(path: str) -> Any:
    """The place of a file in the order of names: numbers count as numbers, and rotated logs precede the log.

    >>> sorted(["app.log", "app.log.1", "app.log.10.gz", "app.log.2"], key=by_name)
    ['app.log.10.gz', 'app.log.2', 'app.log.1', 'app.log']
    >>> sorted(["part-10.csv", "part-9.csv"], key=by_name)
    ['part-9.csv', 'part-10.csv']
    """
    folder, name = os.path.split(without_suffix(path))
    first = os.path.basename(stem(path))
    suffix = name[len(first) :]
    rank: tuple[Any, ...] = (2,) if not suffix else (0, _natural(suffix))
    if age := _AGE.fullmatch(suffix):
        rank = (1, -int(age[1]))
    return _natural(folder), _natural(first), rank, path


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = _DIGITS.split(text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


@dataclass(frozen=True)
class Place:
    """The files that belong to a sequence.

    ``file``: the log ``path``, with the rotated logs beside it. ``glob``: the files that match ``path``.
    ``folder``: the files in ``path`` but those that are hidden, begin with ``_``, or end with ``.tmp`` or
    ``.part``.
    """

    path: str
    kind: Kind
    by_time: bool = False

    def entries(self, before: Iterable[Entry] = ()) -> list[Entry]:
        """The files that are there now, in their order. ``before``: what the listing before showed.

        Raises ``SourceError`` for a name not in UTF-8.
        """
        known = {entry.path: (entry.inode, entry.size) for entry in before}
        found = [self._entry(path, status) for path, status in statuses(self._paths, known).items()]
        return sorted(found, key=lambda entry: entry.key)

    @property
    def live(self) -> str:
        """The path of the log, through a link."""
        return os.path.realpath(self.path) if os.path.islink(self.path) else self.path

    def _paths(self) -> Iterable[str]:
        if self.kind == "glob":
            return glob.glob(self.path, recursive=True)
        if self.kind == "folder":
            names = filter(_is_finished, listed(self.path))
            return (os.path.normpath(os.path.join(self.path, name)) for name in names)
        return [self.live, *rotated(self.live)]

    def _entry(self, path: str, status: os.stat_result) -> Entry:
        check_name(path)
        key = (status.st_mtime_ns, by_name(path)) if self.by_time else by_name(path)
        if self.kind == "file":
            key = (path == self.live, key)
        return Entry(path, status.st_ino, status.st_size, status.st_mtime_ns, key)


def statuses(
    paths: Callable[[], Iterable[str]], before: dict[str, tuple[int, int]]
) -> dict[str, os.stat_result]:
    """The status of each regular file of ``paths``. ``before``: inode and size, as found by the call before.

    A rotation during a listing can hide a file: the file has an old name when the names are read, and a new
    one when the file is looked at. A listing is whole if it holds all files of the listing before under the
    same names, and none of them is shorter.
    """
    for _ in range(_MOST_LISTINGS):
        found = {path: status for path in paths() if (status := _status(path))}
        now = {path: (status.st_ino, status.st_size) for path, status in found.items()}
        if (before or not now) and all(_is_still(file, now.get(path)) for path, file in before.items()):
            break
        before = now
    return found


def _is_still(before: tuple[int, int], now: tuple[int, int] | None) -> bool:
    return now is not None and before[0] == now[0] and before[1] <= now[1]


def _status(path: str) -> os.stat_result | None:
    try:
        status = os.stat(path)
    except OSError:  # it went away after it was listed
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _is_finished(name: str) -> bool:
    return not name.startswith((".", "_")) and not name.endswith(_UNFINISHED)


def rotated(path: str) -> Iterator[str]:
    """The files that were ``path`` before they were rotated, and are in the same folder."""
    folder = os.path.dirname(path)
    for name in listed(folder):
        other = os.path.join(folder, name)
        if other != path and stem(other) == path:
            yield other


def listed(folder: str) -> list[str]:
    """The names in a folder; none if it cannot be read."""
    try:
        return os.listdir(folder or ".")
    except OSError:
        return []
