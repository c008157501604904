"""Keeps other flows and other users out of a recovery store."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from dataflow.errors import SettingsError

#: The name of the lock file in the folder of a store.
LOCK = "driftline.lock"

_OTHERS = 0o077  # the permissions of group and others


def remove_permissions_of_others(paths: Sequence[Path]) -> None:
    """Let only the owner read and write ``paths``: rows hold texts, and a snapshot is a pickle.

    Raises ``SettingsError`` if this user may not change the permissions.
    """
    for path in paths:
        try:
            mode = path.stat().st_mode
            if mode & _OTHERS:
                path.chmod(mode & ~_OTHERS & 0o7777)
        except FileNotFoundError:  # a write-ahead log that SQLite has merged meanwhile
            continue
        except PermissionError:
            raise SettingsError(
                f"{path}: other users may read or write it; its owner must run `chmod go= {path}`"
            ) from None


def lock(folder: Path, cluster: str) -> IO[str]:
    """Lock the store in ``folder`` for the processes of ``cluster``, which share the lock, until the file
    closes.

    Raises ``SettingsError`` if another flow holds the lock.
    """
    file = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        file.truncate(0)
        file.write(cluster)
        file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)
    # Read the holder even after an exclusive lock: while the lock changes from exclusive to shared, another
    # flow can take it.
    file.seek(0)
    if (holder := file.read()) != cluster:
        file.close()
        raise SettingsError(
            f"{folder}: another flow uses this store ({holder}); end it, or take another recovery directory"
        )
    return file
