"""Walks through the files of a sequence: reads one to its end, and goes on with the next."""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, TypedDict

from dataflow.source.framing import Record
from dataflow.source.tail.known import Known, Stored, Unread, rotated_before
from dataflow.source.tail.marks import Mark, MovedError, mark_of
from dataflow.source.tail.opening import open_located, open_unread
from dataflow.source.tail.places import Entry, Place
from dataflow.source.tail.readers import GrowingFile, OpenReader, Reader, TruncatedError
from dataflow.telemetry.logs import Line

#: A follower lists files at most every so many seconds, ...
LIST_EVERY_S = 0.5
#: ... and for at most this share of the time.
SHARE_OF_LISTINGS = 0.1
#: A file of a folder that has not grown for so many seconds is complete: its last line needs no line end.
COMPLETE_AFTER_S = 5.0
_log = logging.getLogger(__name__)


class State(TypedDict):
    """A position in a sequence."""

    #: The offset of the next record.
    offset: int
    #: Path, inode, length and digest of the mark, position of the next record, size in bytes. ``None``: no
    #: file is being read.
    file: tuple[str, int, int, int, int, int] | None
    finished: list[Stored]


@dataclass(frozen=True)
class Sequence:
    """The files to read, and how. ``follow``: wait for more at the end."""

    place: Place
    open_reader: OpenReader
    follow: bool


class Cursor:
    """The position in a sequence.

    ``reader``: of the file that is being read. ``base``: the offset of the first byte of this file; without a
    file, the offset of the next record. ``ended``: all is read, and nothing more is awaited.
    """

    def __init__(self, sequence: Sequence) -> None:
        self._place, self._open_reader, self._follow = sequence.place, sequence.open_reader, sequence.follow
        self.reader: Reader | None = None
        self.base = 0
        self.ended = False
        self._known = Known()
        self._queue: list[Unread] = []
        self._waiting = 0  # bytes of the queue
        self._closed = False
        self._grown = -COMPLETE_AFTER_S
        # The last listing, when it began, and how long it took.
        self._entries: list[Entry] = []
        self._listed, self._took = -math.inf, 0.0
        # The place in the order of the last file that was opened, and of the newest file that is there.
        self._key: Any = None
        self._newest: Any = None

    def begin(self) -> None:
        """Start at the first file. The logs that were rotated before the start are not read."""
        if self._place.kind == "file":
            try:
                self._known = rotated_before(self._place)
            except MovedError:
                self.begin()

    def resume(self, state: State) -> None:
        """Continue at the position ``state``."""
        self._known = Known(state["finished"])
        self.base = state["offset"]
        if state["file"] is None:
            return
        path, inode, length, digest, at, size = state["file"]
        if not length:  # nothing of the file was read, so the next listing shows it as unread
            return
        self.reader = open_located(self._open_reader, path, inode, Mark(length, digest), at)
        if self.reader:
            self.base -= at
        else:
            sentence = (
                f"{path}: was read to byte {at} before the restart, and neither this file nor a file beside "
                f"it holds these bytes now; at least {size - at} bytes after them are lost"
            )
            _log.warning(Line("file_lost", sentence, path=path, position=at, bytes=size - at))

    def state(self, at: int | None) -> State:
        """The position as plain data. ``at``: where the next record starts in the file."""
        file = None
        if self.reader:
            at = self.reader.at if at is None else at
            opened = self.reader.file
            file = (opened.path, opened.inode, *opened.mark(), at, opened.size)
        return State(offset=self.base + (at or 0), file=file, finished=self._known.state())

    @property
    def unread(self) -> int:
        """How many bytes are not read yet; those of compressed files as they are in the files."""
        return self._waiting + (self.reader.file.unread if self.reader else 0)

    def read(self, stay: bool) -> list[Record] | None:
        """The next records of the file that is being read; ``None``: there are none now.

        May return no records although there are more. With ``stay``, the file does not change.
        """
        try:
            records = self.reader.read() if self.reader else None
        except TruncatedError:
            return None if stay else self._after_truncation()
        if records is not None:
            self._grown = time.monotonic()
        return records if records is not None or stay else self._proceed()

    def _proceed(self) -> list[Record] | None:
        if self.reader is None:
            return [] if self._open_next() else None
        if self._queue or self.reader.whole:  # the listing was before the last read, which found the end
            older = self._queue and self._key is not None and self._queue[0].entry.key < self._key
            return self._pause() if older and not self.reader.whole else self._finish()
        self._list()
        if self._queue:
            return []
        quiet = time.monotonic() - self._grown >= COMPLETE_AFTER_S
        if not self._follow or (quiet and self._place.kind == "folder"):
            last = self.reader.finish()
            self.ended = not self._follow and not last
            return last or None
        return None

    def _list(self) -> None:
        """List the files, unless this was done a moment ago."""
        began = time.monotonic()
        pause_s = LIST_EVERY_S if self._follow and not self._queue else 0.0
        done = began < self._listed + max(pause_s, self._took / SHARE_OF_LISTINGS)
        if done and (self._follow or self._queue):
            return
        entries = self._entries = self._place.entries(self._entries)
        current = self.reader.file if self.reader else None
        if current:
            now = next((entry for entry in entries if entry.inode == current.inode), None)
            self._key = now.key if now else None
            current.path = now.path if now else current.path
        try:
            self._queue = self._known.unread(entries, current)
        except MovedError:
            self._list_anew()
            return
        self._waiting = sum(file.size for file in self._queue)
        self._newest = entries[-1].key if entries else None
        self._listed, self._took = began, time.monotonic() - began

    def _list_anew(self) -> None:
        self._queue, self._waiting, self._listed = [], 0, -math.inf
        self._list()

    def _open_next(self) -> bool:
        self._list()
        if not self._queue:
            self.ended = not self._follow
            return False
        unread = self._queue.pop(0)
        self._waiting -= unread.size
        try:
            self.reader = open_unread(self._open_reader, unread)
        except MovedError:
            self._list_anew()
            return True
        entry, start = unread.entry, unread.mark.length
        self.base -= start
        self._say_where(entry.path, entry.size, start, entry.key)
        return True

    def _say_where(self, path: str, size: int, start: int, key: Any) -> None:
        if start and key != self._newest:
            sentence = f"{path}: grew by {size - start} bytes after a newer file was begun; reads them now"
            _log.warning(Line("file_grown", sentence, path=path, position=start, bytes=size - start))
        elif self._key is not None and key < self._key:
            sentence = f"{path}: comes before files that were read already; reads it now"
            _log.warning(Line("file_out_of_order", sentence, path=path))
        else:
            offset = self.base + start
            _log.debug(Line("file_begun", f"{path}: read from offset {offset} on", path=path, offset=offset))
        self._key = key

    def _finish(self) -> list[Record]:
        """End the file that is being read. First gives out its last record, if it has no line end."""
        assert self.reader is not None
        if last := self.reader.finish():
            return last
        file = self.reader.file
        self._known.add(file.path, file.inode, file.mark())
        self._leave()
        return []

    def _pause(self) -> list[Record]:
        """Leave a file that may grow, for an older one. The next listing shows what is left of the file."""
        assert self.reader is not None
        file, at = self.reader.file, self.reader.at
        if isinstance(file, GrowingFile) and (both := file.ends(at)):
            self._known.add(file.path, file.inode, mark_of(at, *both))
            self._leave()
        return []

    def _leave(self) -> None:
        assert self.reader is not None
        self.base += self.reader.at
        self.reader.file.close()
        self.reader = None

    def _after_truncation(self) -> list[Record]:
        """Continue in a copy of the file if there is one, else at the start of the file."""
        assert self.reader is not None
        file, at = self.reader.file, self.reader.at
        if not file.mark().length:
            self._leave()
            return []
        if copy := open_located(self._open_reader, file.path, file.inode, file.mark(), at, but=file.inode):
            file.close()
            self.reader = copy
            sentence = f"{file.path}: was truncated; continues in its copy {copy.file.path}"
            _log.info(Line("file_truncated", sentence, path=file.path, position=at))
            return []
        if last := self.reader.finish():
            return last
        sentence = (
            f"{file.path}: was truncated, and no copy of it is there; what was written after byte {at} and "
            "before the truncation is lost; the source continues at its start"
        )
        _log.warning(Line("file_truncated", sentence, path=file.path, position=at))
        self._leave()
        return []

    def close(self) -> None:
        """Close the file. The position stays."""
        if self.reader and not self._closed:
            self.reader.file.close()
        self._closed = True
