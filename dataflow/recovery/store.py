"""The recovery store, made ready before the flow starts.

Bytewax keeps snapshots in SQLite files, the *partitions*; the tables are those of bytewax 0.21, which
pyproject.toml pins. :func:`prepare` does what Bytewax leaves to others:

- One flow at a time uses a store; the processes of one cluster share it.
- Only the owner of the store reads and writes it: rows hold texts, and a snapshot is a pickle.
- A snapshot holds plain data. One that names a class or a function is refused before Bytewax loads it.
- Snapshots of epochs that did not finish are removed. Bytewax loads the newest snapshot *below* the epoch
  that it resumes at, so it does not load these now; but it would after the next crash, when it resumes later.
- The store says which settings its state was made with; settings that the state does not fit are refused.
"""

import fcntl
import io
import os
import pickle
import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from dataflow.errors import SettingsError
from dataflow.telemetry import metrics

#: The file in a store that the dataflow which uses the store locks.
LOCK = "driftline.lock"
#: The epoch in which Bytewax begins on an empty store.
FIRST_EPOCH = 1

_MAKE = "make one with `mkdir -p -m 700 {0} && python -m bytewax.recovery {0} 4`"
_BUSY_SECONDS = 60.0
_OTHERS = 0o077  # the permissions of group and others
_MADE_WITH = "driftline_made_with"
_NEXT_STEP = "SELECT min(step_id) FROM snaps WHERE step_id > ?"
#: The newest snapshots below an epoch; ``IS NOT NULL``: the key has not ended.
_CURRENT = """
    FROM snaps JOIN (
        SELECT step_id, state_key, max(snap_epoch) AS snap_epoch FROM snaps GROUP BY step_id, state_key
    ) USING (step_id, state_key, snap_epoch) WHERE ser_change IS NOT NULL"""


@dataclass(frozen=True)
class Partition:
    """What a partition says of itself: it is number ``index`` of ``count``."""

    index: int
    count: int
    committed: int
    #: execution -> the number of its workers, and the epoch that it began with
    executions: dict[int, tuple[int, int]]
    #: (execution, worker) -> the epoch that the worker has reached
    fronts: dict[tuple[int, int], int]


class Prepared(NamedTuple):
    """A store that a flow may start on. ``states``: how many snapshots the flow loads; ``removed``: how many
    were removed because their epoch did not finish; ``made_with``: what the state was made with, empty for a
    new store.
    """

    folder: Path
    partitions: int
    epoch: int
    states: int
    removed: int
    made_with: Mapping[str, str]
    #: Held, shared, as long as the process lives.
    lock: IO[str]


def prepare(
    folder: Path,
    made_with: Mapping[str, str],
    *,
    fixed: Collection[str],
    addresses: Sequence[str] = (),
    source_step: str,
    source_parts: Collection[str],
) -> Prepared | None:
    """Lock, check and clean the store in ``folder``, and note ``made_with`` in it.

    ``fixed``: the names in ``made_with`` whose values the state in the store must agree with. ``addresses``:
    those of the cluster's processes, which share the store. ``source_parts``: the partitions that the source
    has now; the state of ``source_step`` may know no others. Returns ``None`` where the store lies on another
    machine of the cluster. Raises ``SettingsError`` if the flow cannot go on from this store.

    Every process of a cluster may call this, in any order: Bytewax begins only when all have started.
    """
    paths = partition_paths(folder)
    if not paths and len(addresses) > 1:
        return None
    if not paths:
        raise SettingsError(no_partition(folder))
    _close_to_others((folder, *paths, *folder.glob("*.sqlite3-*")))
    with ExitStack() as refused:
        lock = refused.enter_context(_lock(folder, " ".join(addresses) or f"process {os.getpid()}"))
        epoch = resume_epoch(folder, [read_partition(path) for path in paths])
        known = read_made_with(paths)
        removed = sum(_remove_unfinished(path, epoch) for path in paths)
        states = sum(_check_plain(path) for path in paths)
        if states:
            _compare(folder, known, made_with, fixed)
            _check_parts(folder, paths, source_step, source_parts)
        for path in paths:
            _write_made_with(path, made_with)
        refused.pop_all()
    return Prepared(folder, len(paths), epoch, states, removed, known if states else {}, lock)


def no_partition(folder: Path) -> str:
    """What to say of a folder that holds none."""
    return f"{folder}: no recovery partition; {_MAKE.format(folder)}, or restore a backup"


def partition_paths(folder: Path) -> list[Path]:
    """The partitions in ``folder``, as Bytewax finds them. Raises ``SettingsError`` if it cannot be used."""
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; {_MAKE.format(folder)}")
    paths = sorted(folder.glob("*.sqlite3"))
    for path in (folder, *paths):
        if not os.access(path, os.R_OK | os.W_OK):
            raise SettingsError(f"{path}: cannot be read and written; change its owner or permissions")
    return paths


def size(folder: Path) -> int:
    """The bytes of all files of a store."""
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a log of changes, merged meanwhile
            total += path.stat().st_size
    return total


def show_size(folder: Path) -> None:
    """From now on, gauges show the size of the store in ``folder``, and the free space of its disk."""
    metrics.RECOVERY_BYTES.set_function(lambda: size(folder))
    metrics.RECOVERY_FREE.set_function(lambda: shutil.disk_usage(folder).free)


def read_partition(path: Path) -> Partition:
    """Raises ``SettingsError`` if ``path`` is not a whole recovery partition."""
    with _reading(path) as database:
        index, count = database.execute("SELECT part_index, part_count FROM parts").fetchone()
        committed = database.execute("SELECT max(commit_epoch) FROM commits").fetchone()[0]
        executions = database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs").fetchall()
        fronts = database.execute("SELECT ex_num, worker_index, worker_frontier FROM fronts").fetchall()
    return Partition(
        index,
        count,
        committed or 0,
        {execution: (workers, began) for execution, workers, began in executions},
        {(execution, worker): epoch for execution, worker, epoch in fronts},
    )


def resume_epoch(folder: Path, partitions: Sequence[Partition]) -> int:
    """The epoch that Bytewax resumes at: the lowest that a worker of the newest execution has reached.

    Raises ``SettingsError`` if a partition is missing, twice there, or older than the others allow.
    """
    count = partitions[0].count
    there = sorted(part.index for part in partitions)
    if there != list(range(count)) or any(part.count != count for part in partitions):
        raise SettingsError(
            f"{folder}: holds {len(partitions)} of {count} partitions (numbers {there}); all must lie in "
            "this one folder; restore a backup of all"
        )
    executions = {n: execution for part in partitions for n, execution in part.executions.items()}
    if not executions:
        return FIRST_EPOCH
    newest = max(executions)
    workers, began = executions[newest]
    fronts = {at: epoch for part in partitions for at, epoch in part.fronts.items()}
    epoch = min(max(began, fronts.get((newest, worker), began)) for worker in range(workers))
    if old := [part.index for part in partitions if part.committed > epoch]:
        raise SettingsError(
            f"{folder}: the partitions are of different times: numbers {old} no longer hold what epoch "
            f"{epoch} needs, which the others have reached; restore a backup of all; -b must be longer than "
            "a backup takes"
        )
    return epoch


def read_made_with(paths: Sequence[Path]) -> dict[str, str]:
    """What the state of these partitions was made with; empty if nothing was noted."""
    for path in paths:
        with _reading(path) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_MADE_WITH,)).fetchone():
                return dict(database.execute(f"SELECT name, value FROM {_MADE_WITH}"))
    return {}


def read_steps(paths: Sequence[Path]) -> set[str]:
    """The ids of the steps whose state these partitions hold."""
    steps = set[str]()
    for path in paths:
        with _reading(path) as database:
            step: str | None = ""
            # One after the other, by the index: the table is large.
            while (step := database.execute(_NEXT_STEP, (step,)).fetchone()[0]) is not None:
                steps.add(step)
    return steps


def differences(known: Mapping[str, str], made_with: Mapping[str, str], fixed: Collection[str]) -> list[str]:
    """Why state that was made with ``known`` cannot go on with ``made_with``, a phrase for each reason."""
    if not known:
        return ["an older version of driftline, which did not note its settings"]
    names = [name for name in (*known, *made_with) if name in fixed]
    return [
        f"{name}={known.get(name, 'unset')}, and now it is {made_with.get(name, 'unset')}"
        for name in dict.fromkeys(names)
        if known.get(name) != made_with.get(name)
    ]


def _compare(
    folder: Path, known: Mapping[str, str], made_with: Mapping[str, str], fixed: Collection[str]
) -> None:
    if reasons := differences(known, made_with, fixed):
        raise SettingsError(
            f"{folder}: its state was made with {reasons[0]}; set this back, or start with an empty store, "
            "which reads the source from its beginning"
        )


def _close_to_others(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            mode = path.stat().st_mode
            if mode & _OTHERS:
                path.chmod(mode & ~_OTHERS & 0o7777)
        except FileNotFoundError:  # a log of changes, merged meanwhile
            continue
        except PermissionError:
            raise SettingsError(
                f"{path}: other users may read or write it; its owner must run `chmod go= {path}`"
            ) from None


def _lock(folder: Path, cluster: str) -> IO[str]:
    """Shared by the processes of ``cluster``. Raises ``SettingsError`` if another flow holds the lock."""
    lock = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        lock.truncate(0)
        lock.write(cluster)
        lock.flush()
    fcntl.flock(lock, fcntl.LOCK_SH)
    # Read in any case: while the lock changes from exclusive to shared, another flow can take it.
    lock.seek(0)
    if (holder := lock.read()) != cluster:
        lock.close()
        raise SettingsError(
            f"{folder}: another flow uses this store ({holder}); end it, or take another recovery directory"
        )
    return lock


def _remove_unfinished(path: Path, epoch: int) -> int:
    with _writing(path) as database:
        return database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


def _check_plain(path: Path) -> int:
    """The number of snapshots that a resume loads, all of them plain data. Raises ``SettingsError``."""
    number = 0
    with _reading(path) as database:
        for step, key, pickled in database.execute(f"SELECT step_id, state_key, ser_change {_CURRENT}"):
            number += 1
            try:
                _PlainUnpickler(io.BytesIO(pickled)).load()
            except Exception as error:  # whatever bytes are there
                raise SettingsError(
                    f"{path}: the state of {key!r} in {step} is not plain data ({error}) and is not loaded; "
                    "somebody else wrote it, or it is damaged; restore a backup"
                ) from None
    return number


def _check_parts(folder: Path, paths: Sequence[Path], step: str, parts: Collection[str]) -> None:
    for path in paths:
        with _reading(path) as database:
            query = f"SELECT state_key {_CURRENT} AND step_id = ? ORDER BY 1"
            gone = [key for (key,) in database.execute(query, (step,)) if key not in parts]
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            raise SettingsError(
                f"{gone[0]}{more}: was read before the restart and is no longer in the source; put it back "
                f"or name it in source.uri, or take an empty recovery directory instead of {folder}"
            )


def _write_made_with(path: Path, made_with: Mapping[str, str]) -> None:
    with _writing(path) as database:
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {_MADE_WITH} (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
        )
        database.execute(f"DELETE FROM {_MADE_WITH}")
        database.executemany(f"INSERT INTO {_MADE_WITH} VALUES (?, ?)", list(made_with.items()))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Without a log of changes nobody has it open, and only so does SQLite leave no files beside it.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    with _connected(path, f"{path.absolute().as_uri()}?{how}") as database:
        yield database


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
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
