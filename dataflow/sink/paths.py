"""What each sink is called in the recovery store, and that nobody else writes or reads its file."""

import fnmatch
import glob
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import get_args

from dataflow.endpoints import uri as uris
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.sink import Stream

_STANDARD = {"stdout": "1", "stderr": "2"}


@dataclass(frozen=True)
class _Place:
    """A sink of a file or folder. ``path``: its real path."""

    name: str
    path: str

    @property
    def folder(self) -> bool:
        return self.path.endswith(".parquet")


def step_id(stream: Stream, text: str) -> str:
    """The step id of the output of ``stream`` to the URI ``text``: the same wherever the URI stands in the
    settings, however it is spelt. Raises ``SettingsError`` for what is no URI.
    """
    return f"sink_{stream}_{hashlib.sha256(_canonical(uris.parse(text)).encode()).hexdigest()[:12]}"


def real_path(uri: Uri) -> str:
    """The path of a ``file:`` URI without links; the suffix ``.parquet`` stays, as it decides the format."""
    path = os.path.normpath(uri.path)
    if not path.endswith(".parquet"):
        return os.path.realpath(path)
    real = os.path.realpath(path)
    return (
        real
        if real.endswith(".parquet")
        else os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    )


def check(settings: Settings) -> None:
    """Raises ``SettingsError`` if a stream has one URI twice, if two sinks write one file, or if a sink
    writes what the source reads.
    """
    places: list[_Place] = []
    for stream in get_args(Stream):
        steps: set[str] = set()
        for text in getattr(settings.sink, stream):
            name, uri = f"sink.{stream}={text}", uris.parse(text)
            step = step_id(stream, text)
            if step in steps:
                raise SettingsError(f"{name}: named more than once; name each sink of a stream once")
            steps.add(step)
            if uri.scheme == "file" and uri.path:
                places.append(_Place(name, real_path(uri)))
    for number, place in enumerate(places):
        for other in places[:number]:
            _apart(place, other)
    source = uris.parse(settings.source.uri)
    if source.scheme == "file" and source.path:
        for place in places:
            _not_read(place, source)


def regular(path: str, stream: Stream) -> None:
    """Raises ``SourceError`` if something other than a file (for ``.parquet``: than a folder) is at ``path``.
    Opens nothing, as to open a FIFO would block.
    """
    for name, number in _STANDARD.items():
        if path in (f"/dev/{name}", f"/dev/fd/{number}", f"/proc/self/fd/{number}"):
            raise SourceError(f"{path}: is no file; write sink.{stream}={name}:")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # nothing is there, or opening it says what is wrong
    wanted, there = ("folder", stat.S_ISDIR) if path.endswith(".parquet") else ("file", stat.S_ISREG)
    if not there(mode):
        raise SourceError(f"{path}: is a {_kind(mode)}, no {wanted}; name another {wanted} in sink.{stream}")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder", stat.S_IFREG: "file"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _canonical(uri: Uri) -> str:
    if uri.scheme == "file":
        return f"file:{real_path(uri)}"
    options = "&".join(f"{name}={value}" for name, value in sorted(uri.options.items()))
    return f"{uri.scheme}://{uri.authority}{uri.path}?{options}"


def _apart(place: _Place, other: _Place) -> None:
    for one, two in ((place, other), (other, place)):
        if _same(one.path, two.path):
            raise SettingsError(
                f"{place.name}: is the file of {other.name}, too; give each sink a file of its own"
            )
        if one.folder and _inside(two.path, one.path):
            raise SettingsError(
                f"{two.name}: lies in the folder of {one.name}; name a file outside that folder"
            )


def _not_read(place: _Place, source: Uri) -> None:
    pattern = os.path.normpath(source.path)
    if os.path.lexists(pattern):
        read, pattern = [pattern], glob.escape(pattern)
    else:
        read = glob.glob(pattern, recursive=True)
    written = os.path.join(place.path, "part-00000000.parquet") if place.folder else place.path
    if (
        _matches(written, pattern)
        or any(_same(place.path, path) for path in read)
        or (place.folder and any(_inside(os.path.realpath(path), place.path) for path in read))
    ):
        raise SettingsError(
            f"{place.name}: is what source.uri={source} reads; name a file that the source does not read"
        )


def _same(one: str, two: str) -> bool:
    """Also through links, soft and hard."""
    if os.path.realpath(one) == os.path.realpath(two):
        return True
    try:
        return os.path.samefile(one, two)
    except OSError:
        return False


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)


def _matches(path: str, pattern: str) -> bool:
    """Whether ``glob(pattern)`` finds ``path`` once it is there."""
    parts = os.path.abspath(pattern).split(os.sep)
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    start = os.path.realpath(os.sep.join(parts[:fixed]) or os.sep)
    head = [] if start == os.sep else start.split(os.sep)[1:]
    return _match(path.split(os.sep)[1:], [*map(glob.escape, head), *parts[fixed:]])


def _match(path: list[str], pattern: list[str]) -> bool:
    if not pattern or not path:
        return not path and all(part == "**" for part in pattern)
    hidden = path[0].startswith(".") and not pattern[0].startswith((".", "[.]"))
    if pattern[0] == "**":
        return _match(path, pattern[1:]) or (not hidden and _match(path[1:], pattern))
    return not hidden and fnmatch.fnmatchcase(path[0], pattern[0]) and _match(path[1:], pattern[1:])
