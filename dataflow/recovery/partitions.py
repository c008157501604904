"""Reads the partitions of a recovery store: the SQLite files in which Bytewax keeps snapshots.

The tables are those of bytewax 0.21, which pyproject.toml pins.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import SettingsError

#: The epoch in which Bytewax starts on an empty store.
FIRST_EPOCH = 1

_MAKE = "make one with `mkdir -p -m 700 {0} && python -m bytewax.recovery {0} 4`"
_BUSY_SECONDS = 60.0


@dataclass(frozen=True)
class Partition:
    """The progress that a partition records. It is number ``index`` of ``count`` partitions."""

    index: int
    count: int
    #: The epoch up to which snapshots that are no longer needed may have been removed.
    committed: int
    #: execution -> the number of its workers, and the epoch in which it started
    executions: dict[int, tuple[int, int]]
    #: (execution, worker) -> the epoch that the worker has reached
    fronts: dict[tuple[int, int], int]


def no_partition(folder: Path) -> str:
    """The error message for a folder without partitions."""
    return f"{folder}: no recovery partition; {_MAKE.format(folder)}, or restore a backup"


def partition_paths(folder: Path) -> list[Path]:
    """The partitions in ``folder``, as Bytewax finds them. Raises ``SettingsError`` if it cannot use them."""
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; {_MAKE.format(folder)}")
    paths = sorted(folder.glob("*.sqlite3"))
    for path in (folder, *paths):
        if not os.access(path, os.R_OK | os.W_OK):
            raise SettingsError(f"{path}: cannot be read and written; change its owner or permissions")
    return paths


def read_partition(path: Path) -> Partition:
    """Read a partition. Raises ``SettingsError`` if ``path`` is not a whole recovery partition."""
    with reading(path) as database:
        index, count = database.execute("SELECT part_index, part_count FROM parts").fetchone()
        committed = database.execute("SELECT max(commit_epoch) FROM commits").fetchone()[0]
        executions = database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs").fetchall()
        fronts = database.execute("SELECT ex_num, worker_index, worker_frontier FROM fronts").fetchall()
    return Partition(
        index,
        count,
        committed or 0,
        {execution: (workers, start) for execution, workers, start in executions},
        {(execution, worker): epoch for execution, worker, epoch in fronts},
    )


def resume_epoch(folder: Path, partitions: Sequence[Partition]) -> int:
    """The epoch in which Bytewax resumes: the lowest epoch that a worker of the newest execution has reached.

    Raises ``SettingsError`` if a partition is missing, exists twice, or is older than the other partitions
    allow.
    """
    count = partitions[0].count
    indices = sorted(partition.index for partition in partitions)
    if indices != list(range(count)) or any(partition.count != count for partition in partitions):
        raise SettingsError(
            f"{folder}: holds {len(partitions)} of {count} partitions (numbers {indices}); all must lie in "
            "this one folder; restore a backup of all"
        )
    executions = {n: execution for partition in partitions for n, execution in partition.executions.items()}
    if not executions:
        return FIRST_EPOCH
    newest = max(executions)
    workers, start = executions[newest]
    fronts = {key: epoch for partition in partitions for key, epoch in partition.fronts.items()}
    epoch = min(max(start, fronts.get((newest, worker), start)) for worker in range(workers))
    if outdated := [partition.index for partition in partitions if partition.committed > epoch]:
        raise SettingsError(
            f"{folder}: the partitions are of different times: numbers {outdated} no longer hold what epoch "
            f"{epoch} needs, which the others have reached; restore a backup of all; -b must be longer than "
            "a backup takes"
        )
    return epoch


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the partition at ``path`` for reading. An SQLite error becomes a ``SettingsError``."""
    # Without a write-ahead log no process has the partition open. Only as "immutable" does SQLite then leave
    # no files beside the partition.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    with _connected(path, f"{path.absolute().as_uri()}?{how}") as database:
        yield database


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on the partition at ``path``. An SQLite error becomes a ``SettingsError``."""
    with _connected(path, f"{path.absolute().as_uri()}?mode=rw") as database, database:
        yield database


@contextmanager
def _connected(path: Path, uri: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(uri, timeout=_BUSY_SECONDS, uri=True)) as database:
            yield database
    except (sqlite3.Error, TypeError) as error:
        remedy = "make room" if "full" in str(error) else "restore a backup, or make a new store"
        raise SettingsError(f"{path}: this recovery partition cannot be used ({error}); {remedy}") from None
