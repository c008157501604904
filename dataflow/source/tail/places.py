"""Where the files of a sequence are, and in which order they follow each other."""

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from dataflow.source.compressed import without_suffix
from dataflow.source.files import check_name

#: The end of the name of a rotated file: ``.1``, ``-20260302``, ``.2026-03-02``, ``-2026-03-02T12:00``.
_ROTATED = re.compile(r"(?P<stem>.+?)(?P<suffix>(?:[.-]\d[\d._:T+Z-]*)?)", re.ASCII | re.DOTALL)
#: The age of a rotated file: 1 is the newest. A number with a leading zero counts up.
_AGE = re.compile(r"\.(0|[1-9]\d{0,3})", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
#: Files of a folder that somebody is still writing.
_UNFINISHED = (".tmp", ".part")

Kind = Literal["file", "glob", "folder"]


class Entry(NamedTuple):
    """A file as a listing shows it. ``key``: its place in the order; ``size`` in bytes."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    key: Any


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

    def entries(self) -> list[Entry]:
        """The files that are there now, in their order. Raises ``SourceError`` for a name not in UTF-8."""
        found = [entry for path in self._paths() if (entry := self._entry(path))]
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

    def _entry(self, path: str) -> Entry | None:
        try:
            status = os.stat(path)
        except OSError:  # it went away after it was listed
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        check_name(path)
        key = (status.st_mtime_ns, by_name(path)) if self.by_time else by_name(path)
        if self.kind == "file":
            key = (path == self.live, key)
        return Entry(path, status.st_ino, status.st_size, status.st_mtime_ns, key)


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
