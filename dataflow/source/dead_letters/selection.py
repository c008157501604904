"""The selection of a replay: an SQLite file with the records of each send, and which records were sent.

A record is identified by its position in the source, ``partition`` and ``offset``. It is in one send at most,
until a send finds that the model refuses it. The records of a send never change, so a source that reads them
can resume at a position.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.errors import SourceError
from dataflow.items.envelope import EVENT_FORMAT

#: The name of the file in the folder of the replay.
FILE = "replay.sqlite3"
_BUSY_SECONDS = 30.0
#: ``state``: ``running``, ``prepared`` (for a flow that somebody else runs), ``done``
#: or ``forgotten``. ``inputs``: the
#: files of the dead letters, as JSON. ``refused``: the record became a dead letter again. ``metadata``: that
#: of the batch, as JSON. Times are microseconds since the Unix epoch, UTC.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sends (
    send INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('running', 'prepared', 'done', 'forgotten')),
    append INTEGER NOT NULL,
    inputs TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS records (
    partition TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    send INTEGER NOT NULL REFERENCES sends,
    refused INTEGER NOT NULL DEFAULT 0,
    ts INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    digest BLOB NOT NULL,
    raw BLOB NOT NULL,
    arrival INTEGER NOT NULL,
    message_key BLOB,
    message_ts INTEGER,
    message_headers TEXT,
    PRIMARY KEY (partition, "offset")
);
CREATE INDEX IF NOT EXISTS by_time ON records (send, partition, ts, "offset");
"""
_COLUMNS = 'partition, "offset", ts, metadata, digest, raw, arrival, message_key, message_ts, message_headers'


class Record(NamedTuple):
    """A record that can be decoded. ``ts``: the event time that the record decodes to; ``metadata``: that of
    ``raw_schema``, as JSON; ``digest``: of ``raw``. The other fields are the columns of ``RAW``. Times are
    microseconds since the Unix epoch, UTC.
    """

    partition: str
    offset: int
    ts: int
    metadata: str
    digest: bytes
    raw: bytes
    arrival: int
    message_key: bytes | None
    message_ts: int | None
    message_headers: str | None


class Send(NamedTuple):
    """A send. ``append``: whether the flow also appends to the tables and topics of the settings."""

    number: int
    state: str
    append: bool
    inputs: Sequence[str]


@dataclass
class Known:
    """What the selection knew of the records that were to be added: how many of them were in an earlier send,
    how many of those were refused, and at how many positions another record was sent.
    """

    sent: int = 0
    refused: int = 0
    others: int = 0


class Selection:
    """The selection in ``folder``. Raises ``SourceError`` if the file cannot be used."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / FILE
        if not create and not self.path.exists():
            raise SourceError(f"{folder}: no replay; `python -m dataflow.replay send` makes one")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # records hold texts
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SourceError(f"{self.path}: cannot be opened: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All changes within the block happen together, or not at all if it raises. One process at a time."""
        self._do("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._do("COMMIT")

    def begin(self, *, state: str, append: bool, inputs: Sequence[str]) -> int:
        """A new send without records; returns its number."""
        rows = self._do(
            "INSERT INTO sends (send, state, append, inputs) "
            "SELECT coalesce(max(send), 0) + 1, ?, ?, ? FROM sends RETURNING send",
            (state, append, json.dumps(list(inputs))),
        )
        number: int = rows[0][0]
        return number

    def is_new(self, record: Record, known: Known, *, again: bool = False) -> bool:
        """Whether the record was in no send; ``known`` counts it if not.

        ``again``: a record that an earlier send found to be refused is new, too.
        """
        rows = self._do(
            'SELECT refused, digest, metadata FROM records WHERE partition = ? AND "offset" = ?',
            (record.partition, record.offset),
        )
        if not rows or (rows[0][0] and again):
            return True
        refused, digest, metadata = rows[0]
        if _differs(record, digest, metadata):
            known.others += 1
        elif refused:
            known.refused += 1
        else:
            known.sent += 1
        return False

    def add(self, send: int, record: Record) -> None:
        """Add a new record to the send."""
        values = (send, *record)
        self._do(f"INSERT OR REPLACE INTO records (send, {_COLUMNS}) VALUES ({_marks(values)})", values)

    def sends(self) -> list[Send]:
        """All sends, by their number."""
        rows = self._do("SELECT send, state, append, inputs FROM sends ORDER BY send")
        return [Send(number, state, bool(append), json.loads(text)) for number, state, append, text in rows]

    def count(self, send: int) -> int:
        """How many records the send has."""
        number: int = self._do("SELECT count(*) FROM records WHERE send = ?", (send,))[0][0]
        return number

    def partitions(self, send: int) -> list[str]:
        """The partitions of the records of the send."""
        rows = self._do("SELECT DISTINCT partition FROM records WHERE send = ? ORDER BY partition", (send,))
        return [name for (name,) in rows]

    def metadata(self, send: int) -> list[dict[str, str]]:
        """Each different metadata of the records of the send."""
        rows = self._do("SELECT DISTINCT metadata FROM records WHERE send = ?", (send,))
        return [json.loads(text) for (text,) in rows]

    def read(self, send: int, partition: str, after: tuple[int, int], most: int) -> list[Record]:
        """At most ``most`` records of a partition, by event time and offset, after the one at ``after``."""
        where = 'send = ? AND partition = ? AND (ts, "offset") > (?, ?) ORDER BY ts, "offset" LIMIT ?'
        rows = self._do(f"SELECT {_COLUMNS} FROM records WHERE {where}", (send, partition, *after, most))
        return [Record(*row) for row in rows]

    def finish(self, send: int, refused: Iterable[tuple[str, int]]) -> None:
        """Note that the send is done, and which of its records became dead letters again.

        The records themselves are removed: their positions and digests stay.
        """
        with self.change():
            for position in refused:
                where = 'send = ? AND partition = ? AND "offset" = ?'
                self._do(f"UPDATE records SET refused = 1 WHERE {where}", (send, *position))
            self._do("UPDATE records SET raw = x'' WHERE send = ?", (send,))
            self._do("UPDATE sends SET state = 'done' WHERE send = ?", (send,))

    def forget(self, send: int) -> int:
        """Forget the send, as if its records had never been sent. Returns how many records it had."""
        with self.change():
            count = self.count(send)
            self._do("DELETE FROM records WHERE send = ?", (send,))
            self._do("UPDATE sends SET state = 'forgotten' WHERE send = ?", (send,))
        return count

    def remove(self, send: int) -> None:
        """Remove a send that has no records."""
        self._do("DELETE FROM sends WHERE send = ?", (send,))

    def _do(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            raise SourceError(f"{self.path}: {error}; free space or repair the file") from None


def _differs(record: Record, digest: bytes, metadata: str) -> bool:
    """Whether another record was sent: a source that starts anew may use its positions again.

    Two events cannot be compared: with other settings, one record is decoded to other events.
    """
    formats = [json.loads(text).get("format") for text in (metadata, record.metadata)]
    return EVENT_FORMAT not in formats and digest != record.digest


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
