"""How the Delta source and the Delta sink reach a table: ``delta:PATH`` or ``delta:s3://BUCKET/PATH``.

This relies on what was found by trying ``deltalake`` 1.6.6:

- An error of an object store is an ``OSError`` or a ``DeltaError``. Its text has several lines, and colours
  of a terminal. A table that is not there is a ``TableNotFoundError``.
- ``without_files`` has no effect: an open table holds the list of its files. So a table is not kept open
  while it is followed; ``DeltaStorageHandler`` reads the log from each kind of store.
- ``DeltaTable.is_deltatable`` and ``DeltaStorageHandler`` hold the interpreter's lock while they wait for a
  store, so all workers of the process wait. So the first is not used, and a read has a short time limit.
- A path in the log is percent-encoded, also in what ``get_add_actions`` returns.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pyarrow.fs as pafs

from dataflow.endpoints.uri import Uri
from dataflow.errors import DriftlineError, SettingsError, SourceError, UnreachableError
from dataflow.settings import Settings

#: One action of a commit, as the protocol of Delta Lake describes it: ``{"add": {...}}``.
Action = Mapping[str, Any]

_STORE = re.compile(r"[a-z][a-z0-9+.-]*://")
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_REFUSED = re.compile(
    r"status(?: code)?:? 40[013]|403 Forbidden|401 Unauthorized|credentials|IMDS|Access ?Denied"
)
_MOST_TEXT = 300
#: How long one read may take.
_TIMEOUT = "10s"
#: Features of a table that change how it is read, and that do no harm here. Deletion vectors are refused
#: where they are found.
_KNOWN_FEATURES = {"deletionVectors", "timestampNtz", "typeWidening", "v2Checkpoint", "vacuumProtocolCheck"}


class NoTableError(SourceError):
    """There is no table."""


@dataclass(frozen=True)
class Location:
    """Where a table is. ``text``: as the user wrote it. ``options``: of the object store, with secrets."""

    text: str
    url: str
    options: dict[str, str] = field(repr=False)

    @property
    def local(self) -> bool:
        """Whether the table is in a folder of this machine."""
        return not _STORE.match(self.url)

    def file_system(self) -> pafs.FileSystem:
        """The files of the table, by their path in the table."""
        library()
        from deltalake.fs import DeltaStorageHandler  # noqa: PLC0415  (an extra)

        with explained(self):
            return pafs.PyFileSystem(DeltaStorageHandler(self.url, {"timeout": _TIMEOUT, **self.options}))


def library() -> ModuleType:
    """The module ``deltalake``. Raises ``SettingsError`` if it is not installed."""
    try:
        import deltalake  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SettingsError("delta: deltalake is not installed; pip install 'driftline[delta]'") from None
    module: ModuleType = deltalake
    return module


def location(settings: Settings, uri: Uri) -> Location:
    """Where ``uri`` says that a table is. Raises ``SettingsError``."""
    url = f"//{uri.authority}{uri.path}" if uri.authority else uri.path
    store = _STORE.match(url)
    if not url.strip("/") or uri.authority:
        raise SettingsError("delta: URI: write delta:PATH, or delta:s3://BUCKET/PATH")
    if store and re.match(r"[^/]*:[^/@]*@", url[store.end() :]):
        raise SettingsError(
            "delta: URI: secrets do not belong in a URI; set DRIFTLINE_DELTA__STORAGE_OPTIONS"
        )
    return Location(f"delta:{url}", url.removeprefix("file://").rstrip("/"), settings.delta.options)


def open_table(where: Location, version: int | None = None) -> Any:
    """The table at ``where``, a ``DeltaTable``: as it is now, or as it was in ``version``.

    Raises ``SourceError`` if there is no table or this program cannot read it, ``UnreachableError`` if the
    object store does not answer.
    """
    with explained(where):
        table = library().DeltaTable(where.url, version=version, storage_options=where.options or None)
    protocol = table.protocol()
    if unknown := sorted({*(protocol.reader_features or [])} - _KNOWN_FEATURES - {"columnMapping"}):
        raise SourceError(f"{where.text}: has features that are not supported: {', '.join(unknown)}")
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise SourceError(
            f"{where.text}: has column mapping, which is not supported; copy the rows to a new table"
        )
    return table


def find_table(where: Location) -> Any | None:
    """The table at ``where``; ``None`` if there is none. Raises as :func:`open_table` does."""
    try:
        return open_table(where)
    except NoTableError:
        return None


def read_commit(files: pafs.FileSystem, where: Location, version: int) -> list[Action] | None:
    """The actions of the commit that made ``version``; ``None`` if the log has no such commit."""
    with explained(where):
        try:
            with files.open_input_stream(commit_path(version)) as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError:
            return None
    return [json.loads(line) for line in lines if line.strip()]


def newest_version(files: pafs.FileSystem, where: Location, version: int) -> int:
    """The newest version of a table that has ``version``.

    Asks for a number of commits that grows with the logarithm of the distance: a listing of the log has all
    its commits.
    """

    def has(candidate: int) -> bool:
        with explained(where):
            return bool(files.get_file_info(commit_path(candidate)).type == pafs.FileType.File)

    step = 1
    while has(version + step):
        step *= 2
    low, high = version + step // 2, version + step  # the table has low, and does not have high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if has(middle) else (low, middle)
    return low


def file_path(path: str) -> str:
    """The path of a data file in its table; ``path``: as the log has it.

    >>> file_path("day=2026-11-23/a%20b.parquet")
    'day=2026-11-23/a b.parquet'
    """
    return unquote(path)


def commit_path(version: int) -> str:
    """The path of a commit in its table.

    >>> commit_path(7)
    '_delta_log/00000000000000000007.json'
    """
    return f"_delta_log/{version:020d}.json"


@contextmanager
def explained(where: Location) -> Iterator[None]:
    """Turn an error of ``deltalake`` into one line. ``FileNotFoundError`` passes.

    Raises ``SourceError`` if somebody must fix something, ``UnreachableError`` if the error may pass.
    """
    errors: Any = library().exceptions
    try:
        yield
    except (FileNotFoundError, DriftlineError):
        raise
    except errors.TableNotFoundError:
        raise NoTableError(
            f"{where.text}: no Delta table; write the path of a folder with a _delta_log"
        ) from None
    except PermissionError as error:
        raise SourceError(f"{where.text}: no permission: {one_line(error)}") from None
    except (OSError, errors.DeltaError) as error:
        text = one_line(error)
        if where.local:
            raise SourceError(f"{where.text}: {text}") from None
        if _REFUSED.search(_COLOUR.sub("", str(error))):
            raise SourceError(
                f"{where.text}: the object store refuses the request, see "
                f"DRIFTLINE_DELTA__STORAGE_OPTIONS: {text}"
            ) from None
        raise UnreachableError(f"{where.text}: the object store gives no answer: {text}") from None


def one_line(error: BaseException) -> str:
    """The text of an error of ``deltalake`` as one line without colours."""
    lines = [line.strip(" ↳\t") for line in _COLOUR.sub("", str(error)).splitlines()]
    return ": ".join(filter(None, lines))[:_MOST_TEXT]
