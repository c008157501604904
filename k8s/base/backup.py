"""``python backup.py STORE COPY``: copies the recovery partitions while the dataflow writes to them.

Each copied partition is consistent, but the copies are made one after the other. Bytewax resumes from them
if its backup interval (``-b``) is longer than the copying takes. The old ``COPY`` is replaced only when the
new copy is complete.
"""

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path


def backup(store: Path, copy: Path) -> int:
    """Copies all partitions. Returns their number. If there are none, the old ``copy`` stays."""
    parts = sorted(store.glob("part-*.sqlite3"))
    if not parts:
        return 0
    new = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for part in parts:
        with closing(sqlite3.connect(part)) as source, closing(sqlite3.connect(new / part.name)) as target:
            source.backup(target)
    shutil.rmtree(copy, ignore_errors=True)
    new.rename(copy)
    return len(parts)


if __name__ == "__main__":
    os.umask(0o077)  # the partitions contain texts of events
    number = backup(Path(sys.argv[1]), Path(sys.argv[2]))
    if not number:
        sys.exit(f"error: {sys.argv[1]} contains no recovery partitions")
    print(f"{number} partitions copied")
