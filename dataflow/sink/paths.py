"""The path of a file sink: its real path, what may exist there, and errors of the operating system."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow.endpoints.uri import Uri
from dataflow.errors import SourceError
from dataflow.sink import Stream

_STANDARD = {"stdout": "1", "stderr": "2"}


def real_path(uri: Uri) -> str:
    """The path of a ``file:`` URI with its links resolved.

    The path keeps the suffix ``.parquet``, which decides the format: a link whose target has another suffix
    is not resolved.
    """
    path = os.path.normpath(uri.path)
    if not path.endswith(".parquet"):
        return os.path.realpath(path)
    real = os.path.realpath(path)
    return (
        real
        if real.endswith(".parquet")
        else os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    )


def table_path(uri: Uri) -> str:
    """The path of a ``delta:`` URI with its links resolved; the URL of a table in an object store."""
    path = uri.path.removeprefix("file://").rstrip("/")
    return path if "://" in path else os.path.realpath(path)


def check_type(path: str, stream: Stream) -> None:
    """Raise ``SourceError`` if ``path`` exists and is not a file (with the suffix ``.parquet``: a folder).

    Opens nothing, as opening a FIFO would block.
    """
    for name, number in _STANDARD.items():
        if path in (f"/dev/{name}", f"/dev/fd/{number}", f"/proc/self/fd/{number}"):
            raise SourceError(f"{path}: is not a file; write sink.{stream}={name}:")
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # nothing is there, or the error of opening the file says what is wrong
    wanted, is_wanted = ("folder", stat.S_ISDIR) if path.endswith(".parquet") else ("file", stat.S_ISREG)
    if not is_wanted(mode):
        raise SourceError(
            f"{path}: is a {_type_name(mode)}, not a {wanted}; name another {wanted} in sink.{stream}"
        )


def _type_name(mode: int) -> str:
    names = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder", stat.S_IFREG: "file"}
    return names.get(stat.S_IFMT(mode), "device")


def check_writable(path: Path, *, folder: bool = False) -> None:
    """Raise ``SourceError`` if nobody could write ``path``, which may not exist yet. Makes nothing.

    ``folder``: ``path`` has to be a folder, if it exists.
    """
    nearest = next(part for part in (path, *path.absolute().parents) if part.exists())
    if not nearest.is_dir() and (folder or nearest != path):
        raise SourceError(f"{path}: {nearest} is not a folder; name another")
    try:
        # A temporary file has no name in the folder, and opening a file to append changes nothing.
        with tempfile.TemporaryFile(dir=nearest) if nearest.is_dir() else nearest.open("ab"):
            pass
    except OSError as error:
        problem = f"{nearest} cannot be written: {error.strerror}"
        raise SourceError(f"{path}: {problem}; change that, or name another") from None


@contextmanager
def write_errors(path: str | Path) -> Iterator[None]:
    """Turn an error of the operating system into a ``SourceError``, one line that names ``path``."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise SourceError(
            f"{path}: cannot be written: {why}; free space or fix the cause, and start again"
        ) from None
