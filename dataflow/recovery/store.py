"""Prepares the recovery store before the flow starts, which Bytewax leaves to others.

- One flow at a time uses a store; the processes of a cluster share the store.
- Only the owner of the store reads and writes it.
- A snapshot holds plain data. A snapshot that names a class or a function is refused before Bytewax loads it.
- Snapshots of epochs that did not finish are removed.
- The store records which settings its state was made with. Settings that do not fit the state are refused.
"""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from dataflow.errors import SettingsError
from dataflow.recovery import provenance, snapshots
from dataflow.recovery.lock import lock, remove_permissions_of_others
from dataflow.recovery.partitions import no_partition, partition_paths, read_partition, resume_epoch
from dataflow.telemetry import metrics


class Prepared(NamedTuple):
    """A store on which a flow may start."""

    folder: Path
    partitions: int
    #: The epoch in which the flow resumes.
    epoch: int
    #: The number of snapshots that the flow loads.
    states: int
    #: The number of snapshots that were removed because their epoch did not finish.
    removed: int
    #: What the state was made with; empty for a new store.
    made_with: Mapping[str, str]
    #: The shared lock, to be held as long as the process lives.
    lock: IO[str]
    #: Which store this is: another one has another identity, also in the same folder.
    identity: str
    #: The partitions of the source that the store knows.
    source_parts: frozenset[str]


class Contents(NamedTuple):
    """What a store holds."""

    partitions: int
    #: The epoch in which a flow resumes.
    epoch: int
    #: The ids of the steps that have state.
    steps: set[str]
    #: What the state was made with; empty if the store does not record that.
    made_with: Mapping[str, str]
    #: When a partition was last written, in seconds since the Unix epoch.
    written: float


def prepare(
    folder: Path,
    made_with: Mapping[str, str],
    *,
    fixed: Collection[str],
    addresses: Sequence[str] = (),
    source_step: str,
    source_parts: Collection[str],
) -> Prepared | None:
    """Lock, check and clean the store in ``folder``, and record ``made_with`` in it.

    ``fixed``: the names in ``made_with`` whose values must equal those that the state was made with.
    ``addresses``: the addresses of the processes of the cluster, which share the store. ``source_parts``: the
    partitions that the source has now; the state of ``source_step`` may have no other partitions. Returns
    ``None`` if another machine of the cluster has the store. Raises ``SettingsError`` if the flow cannot
    resume from this store.

    Every process of a cluster may call this, in any order: Bytewax starts only when all processes have
    started.
    """
    paths = partition_paths(folder)
    if not paths and len(addresses) > 1:
        return None
    if not paths:
        raise SettingsError(no_partition(folder))
    remove_permissions_of_others((folder, *paths, *folder.glob("*.sqlite3-*")))
    with ExitStack() as on_error:
        held = on_error.enter_context(lock(folder, " ".join(addresses) or f"process {os.getpid()}"))
        epoch = resume_epoch(folder, [read_partition(path) for path in paths])
        recorded = provenance.read(paths)
        removed = sum(snapshots.remove_unfinished(path, epoch) for path in paths)
        states = sum(snapshots.check_plain(path) for path in paths)
        read_before = frozenset[str]()
        if states:
            _check_made_with(folder, recorded, made_with, fixed)
            read_before = snapshots.check_source(folder, paths, source_step, source_parts)
        for path in paths:
            provenance.write(path, made_with)
        identity = provenance.identity(paths[0])
        on_error.pop_all()
    known = recorded if states else {}
    return Prepared(folder, len(paths), epoch, states, removed, known, held, identity, read_before)


def read(folder: Path) -> Contents | None:
    """Read what the store in ``folder`` holds, and change nothing; ``None``: the folder has no partitions.

    Raises ``SettingsError`` if Bytewax could not use the store.
    """
    paths = partition_paths(folder)
    if not paths:
        return None
    epoch = resume_epoch(folder, [read_partition(path) for path in paths])
    files = [file for path in paths for file in (path, *folder.glob(f"{path.name}-wal"))]
    written = max(file.stat().st_mtime for file in files)
    return Contents(len(paths), epoch, snapshots.read_steps(paths), provenance.read(paths), written)


def read_states(folder: Path, steps: Sequence[str]) -> list[dict[str, Any]]:
    """The states that a flow resumes from, in the store in ``folder``: of each of ``steps``, by their keys.

    Raises ``SettingsError`` if a flow uses the store, or could not use it.
    """
    paths = partition_paths(folder)
    if not paths:
        raise SettingsError(no_partition(folder))
    with lock(folder, f"process {os.getpid()}"):
        epoch = resume_epoch(folder, [read_partition(path) for path in paths])
        return [snapshots.read_states(paths, step, epoch) for step in steps]


def size(folder: Path) -> int:
    """The bytes of all files of the store in ``folder``."""
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a write-ahead log that SQLite has merged meanwhile
            total += path.stat().st_size
    return total


def show_size(folder: Path) -> None:
    """Let gauges show the size of the store in ``folder``, and the free space of its disk, from now on."""
    metrics.RECOVERY_BYTES.set_function(lambda: size(folder))
    metrics.RECOVERY_FREE.set_function(lambda: shutil.disk_usage(folder).free)


def _check_made_with(
    folder: Path, recorded: Mapping[str, str], made_with: Mapping[str, str], fixed: Collection[str]
) -> None:
    if reasons := provenance.differences(recorded, made_with, fixed):
        raise SettingsError(
            f"{folder}: its state was made with {reasons[0]}; set this back, or start with an empty store, "
            "which reads the source from its beginning"
        )
