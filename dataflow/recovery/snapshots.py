"""Checks and cleans the snapshots in a partition, before Bytewax loads them."""

import io
import pickle
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from dataflow.errors import SettingsError
from dataflow.recovery.partitions import reading, writing

_NEXT_STEP = "SELECT min(step_id) FROM snaps WHERE step_id > ?"
#: The newest snapshot of each key; ``IS NOT NULL``: the key has not ended.
_CURRENT = """
    FROM snaps JOIN (
        SELECT step_id, state_key, max(snap_epoch) AS snap_epoch FROM snaps GROUP BY step_id, state_key
    ) USING (step_id, state_key, snap_epoch) WHERE ser_change IS NOT NULL"""

#: The newest snapshot of each key of a step before an epoch; null: the key has ended.
_BEFORE = """
    SELECT state_key, ser_change FROM (
        SELECT state_key, ser_change, max(snap_epoch) FROM snaps
        WHERE step_id = ? AND snap_epoch < ? GROUP BY state_key
    )"""


def read_steps(paths: Sequence[Path]) -> set[str]:
    """The ids of the steps whose state the partitions hold."""
    steps = set[str]()
    for path in paths:
        with reading(path) as database:
            step: str | None = ""
            # One step after the other, by the index, because the table is large.
            while (step := database.execute(_NEXT_STEP, (step,)).fetchone()[0]) is not None:
                steps.add(step)
    return steps


def remove_unfinished(path: Path, epoch: int) -> int:
    """Remove the snapshots of ``epoch`` and later epochs. Returns how many were removed.

    These epochs did not finish. Bytewax loads the newest snapshot *below* the epoch in which it resumes, so
    it would not load these snapshots now; but it would load them after the next crash, when it resumes in a
    later epoch.
    """
    with writing(path) as database:
        return database.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount


def check_plain(path: Path) -> int:
    """The number of snapshots that a resume loads. Raises ``SettingsError`` if one is not plain data."""
    number = 0
    with reading(path) as database:
        for step, key, pickled in database.execute(f"SELECT step_id, state_key, ser_change {_CURRENT}"):
            number += 1
            _plain(path, step, key, pickled)
    return number


def read_states(paths: Sequence[Path], step: str, epoch: int) -> dict[str, Any]:
    """The states of ``step`` with which a flow resumes in ``epoch``, by their keys.

    Raises ``SettingsError`` if one is not plain data.
    """
    states: dict[str, Any] = {}
    for path in paths:
        with reading(path) as database:
            for key, pickled in database.execute(_BEFORE, (step, epoch)):
                if pickled is not None:
                    states[key] = _plain(path, step, key, pickled)
    return states


def check_source(
    folder: Path, paths: Sequence[Path], step: str, partitions: Collection[str]
) -> frozenset[str]:
    """The partitions of which the source step ``step`` has state. Raises ``SettingsError`` if one of them is
    not in ``partitions``.
    """
    known = set[str]()
    for path in paths:
        with reading(path) as database:
            query = f"SELECT state_key {_CURRENT} AND step_id = ?"
            known |= {key for (key,) in database.execute(query, (step,))}
    if gone := sorted(known.difference(partitions)):
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise SettingsError(
            f"{gone[0]}{more}: was read before the restart and is no longer in the source; put it back "
            f"or name it in source.uri, or take an empty recovery directory instead of {folder}"
        )
    return frozenset(known)


def _plain(path: Path, step: str, key: str, pickled: bytes) -> Any:
    try:
        return _PlainUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:  # any bytes may be there
        raise SettingsError(
            f"{path}: the state of {key!r} in {step} is not plain data ({error}) and is not loaded; "
            "somebody else wrote it, or it is damaged; restore a backup"
        ) from None


class _PlainUnpickler(pickle.Unpickler):
    """Refuses a pickle that names a class or a function; so loading it runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")
