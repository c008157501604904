"""The spool of a webhook: an SQLite file with the changes that wait until the receiver has them.

A change is identified by its incident and its sequence, so a replay adds nothing. The file also keeps the
changes that the receiver refused, and the identities of the last ``REMEMBERED`` changes, so that no replay
posts them again. The file holds rows as JSON, and no secrets.
"""

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import IO, Any

from dataflow.errors import SourceError

#: How many of the newest changes a spool knows after the receiver has them.
REMEMBERED = 100_000
_SUFFIX = ".sqlite"
_BUSY_SECONDS = 30.0
#: ``number``: the order of posting. ``spooled``: when the change came, seconds since the Unix epoch. ``row``:
#: JSON; null if the state is ``posted``. ``reason``: what the receiver said to a change that it refused.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'posted', 'refused')),
    spooled REAL NOT NULL,
    row BLOB,
    reason TEXT,
    UNIQUE (incident, sequence)
);
CREATE INDEX IF NOT EXISTS kept ON changes (state, number) WHERE state != 'posted';
CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL, uri TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Change:
    """A change of an incident. ``row``: the row of ``ALERT`` as JSON."""

    incident: str
    sequence: int
    row: bytes

    @property
    def key(self) -> str:
        """The same for each post of this change, and different for any other change."""
        return f"{self.incident}-{self.sequence}"


class Spool:
    """An open spool. Threads may share it. Each method that changes the file returns when the disk has it.

    ``uri``: the webhook, as the settings name it. Raises ``SourceError`` if the file cannot be used.
    """

    def __init__(self, path: Path, uri: str = "") -> None:
        self._path = path
        self._lock = RLock()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # rows hold texts
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise SourceError(f"{path}: cannot be opened: {error}; see webhook.spool") from None
        self._do(_SCHEMA, script=True)
        if not self._do("SELECT id FROM spool"):
            self._do("INSERT INTO spool VALUES (?, ?)", (uuid.uuid4().hex, uri))
        (self.id, self.uri) = self._do("SELECT id, uri FROM spool")[0]

    def add(self, changes: Iterable[Change], now: float) -> None:
        """Let the changes wait that the spool does not know. ``now``: seconds since the Unix epoch."""
        rows = [(each.incident, each.sequence, now, each.row) for each in changes]
        self._do(
            "INSERT OR IGNORE INTO changes (incident, sequence, state, spooled, row) "
            "VALUES (?, ?, 'waiting', ?, ?)",
            rows,
            many=True,
        )

    def waiting(self, after: int = 0) -> list[tuple[int, str]]:
        """The number and the incident of each change that waits, in order; only numbers above ``after``."""
        found: list[tuple[int, str]] = self._do(
            "SELECT number, incident FROM changes WHERE state = 'waiting' AND number > ? ORDER BY number",
            (after,),
        )
        return found

    def change(self, number: int) -> Change:
        """The change with this number, which is not posted yet."""
        return Change(*self._do("SELECT incident, sequence, row FROM changes WHERE number = ?", (number,))[0])

    def posted(self, number: int) -> None:
        """Note that the receiver has a change. Forget what is too old to be remembered."""
        with self._lock:
            self._do("UPDATE changes SET state = 'posted', row = NULL WHERE number = ?", (number,))
            self._do("DELETE FROM changes WHERE state = 'posted' AND number <= ?", (number - REMEMBERED,))

    def refused(self, number: int, reason: str) -> None:
        """Keep a change that the receiver refuses."""
        self._do("UPDATE changes SET state = 'refused', reason = ? WHERE number = ?", (reason, number))

    def all_refused(self) -> list[tuple[str, int, str]]:
        """Incident, sequence and reason of each change that is kept as refused, in order."""
        found: list[tuple[str, int, str]] = self._do(
            "SELECT incident, sequence, reason FROM changes WHERE state = 'refused' ORDER BY number"
        )
        return found

    def send_again(self) -> int:
        """Let all refused changes wait again, after those that wait. Return their number."""
        with self._lock:
            numbers = self._do("SELECT number FROM changes WHERE state = 'refused' ORDER BY number")
            for (number,) in numbers:
                self._do(
                    "UPDATE changes SET state = 'waiting', reason = NULL, "
                    "number = (SELECT max(number) + 1 FROM changes) WHERE number = ?",
                    (number,),
                )
        return len(numbers)

    def drop(self) -> int:
        """Forget the rows of all refused changes. Return their number."""
        with self._lock:
            dropped = len(self.all_refused())
            self._do("UPDATE changes SET state = 'posted', row = NULL, reason = NULL WHERE state = 'refused'")
        return dropped

    def counts(self) -> dict[str, int]:
        """How many changes are ``waiting``, and how many ``refused``."""
        found = self._do("SELECT state, count(*) FROM changes WHERE state != 'posted' GROUP BY state")
        return {"waiting": 0, "refused": 0} | dict(found)

    def oldest(self) -> float | None:
        """Since when the oldest change waits, seconds since the Unix epoch; ``None``: none waits."""
        oldest: float | None = self._do("SELECT min(spooled) FROM changes WHERE state = 'waiting'")[0][0]
        return oldest

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _do(self, statement: str, values: Any = (), *, many: bool = False, script: bool = False) -> Any:
        try:
            with self._lock:
                if script:
                    return self._connection.executescript(statement)
                if not many:
                    return self._connection.execute(statement, values).fetchall()
                self._connection.execute("BEGIN IMMEDIATE")
                with self._connection:
                    return self._connection.executemany(statement, values)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            raise SourceError(
                f"{self._path}: {error}; free space or repair the file, and start again"
            ) from None


def lock(path: Path) -> IO[str]:
    """Keep other processes out of the spool at ``path`` until the file that is returned closes.

    Raises ``SourceError`` if another process has the spool.
    """
    file = os.fdopen(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SourceError(
            f"{path}: another flow posts from this spool; end it, or name another folder in webhook.spool"
        ) from None
    return file


def path_of(folder: Path, name: str) -> Path:
    """Where the spool of the webhook ``name`` is."""
    return folder / f"{name}{_SUFFIX}"


def names(folder: Path) -> list[str]:
    """The names of the webhooks that have a spool in ``folder``."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
