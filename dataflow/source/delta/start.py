"""Where a Delta source begins to read a table."""

import re
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pyarrow.fs as pafs

from dataflow.endpoints.delta import Location, explained
from dataflow.errors import SettingsError, SourceError

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")


class Start(NamedTuple):
    """The first version to read. ``whole``: all rows that the table has in this version."""

    version: int
    whole: bool


class _Kept(NamedTuple):
    """The versions that the log has, each in ascending order."""

    commits: list[int]
    checkpoints: list[int]


def first_version(where: Location, files: pafs.FileSystem, table: Any, start: str) -> Start:
    """What ``start`` means: ``earliest``, ``latest``, ``snapshot``, a version, or a time.

    A time means the first version that was committed then or later. Raises ``SettingsError``, and
    ``SourceError`` if the log no longer has what is asked for.
    """
    newest = int(table.version())
    if start == "latest":
        return Start(newest + 1, False)
    if start == "snapshot":
        return Start(newest, True)
    kept = _kept(where, files)
    if start == "earliest":
        return _earliest(where, kept)
    version = int(start) if start.isdecimal() else _since(where, table, start)
    if version > newest + 1 and start.isdecimal():
        raise SettingsError(f"{where.text}: start={start}: the table is at version {newest}")
    if version <= newest and (not kept.commits or version < kept.commits[0]):
        begins = f"begins with version {kept.commits[0]}" if kept.commits else "has no commits"
        raise SourceError(
            f"{where.text}: start={start}: the log was cleaned up and {begins}; write start=earliest, which "
            "reads what the table had then, and what came later"
        )
    return Start(version, False)


def _earliest(where: Location, kept: _Kept) -> Start:
    if kept.commits[:1] == [0]:
        return Start(0, False)
    for checkpoint in kept.checkpoints:
        if not kept.commits or checkpoint >= kept.commits[0] - 1:
            return Start(checkpoint, True)
    raise SourceError(
        f"{where.text}: the log begins in the middle, without a checkpoint; write start=snapshot"
    )


def _kept(where: Location, files: pafs.FileSystem) -> _Kept:
    with explained(where):
        names = [info.base_name for info in files.get_file_info(pafs.FileSelector("_delta_log"))]
    return _Kept(
        sorted(int(match[1]) for match in map(_COMMIT.fullmatch, names) if match),
        sorted({int(match[1]) for match in map(_CHECKPOINT.fullmatch, names) if match}),
    )


def _since(where: Location, table: Any, start: str) -> int:
    try:
        at = datetime.fromisoformat(start.replace("Z", "+00:00"))
    except ValueError:
        raise SettingsError(
            f"{where.text}: start={start}: must be earliest, latest, snapshot, a version, or a time as in "
            "2026-11-23T11:00:00Z"
        ) from None
    at_ms = (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000
    with explained(where):
        history = table.history()
    found = [commit["version"] for commit in history if commit["timestamp"] >= at_ms]
    before = [commit["version"] for commit in history if commit["timestamp"] < at_ms]
    if not before and min(found) > 0:
        raise SourceError(
            f"{where.text}: start={start}: the log was cleaned up and begins later; write start=earliest, "
            "which reads what the table had then, and what came later"
        )
    return min(found, default=int(table.version()) + 1)
