"""Walks through the files of a sequence: reads one to its end, and goes on with the next."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypedDict

from dataflow.source.framing import Record
from dataflow.source.tail.known import Known, Stored, Unread, rotated_before
from dataflow.source.tail.marks import MOST_TRIES, Mark, MovedError, mark_of
from dataflow.source.tail.notices import Restless, say_begun, say_continued, say_lost
from dataflow.source.tail.opening import open_located, open_unread
from dataflow.source.tail.places import Entry, Place
from dataflow.source.tail.readers import GrowingFile, OpenReader, Reader, TruncatedError

#: A follower lists files at most every so many seconds, ...
LIST_EVERY_S = 0.5
#: ... and for at most this share of the time.
SHARE_OF_LISTINGS = 0.1
#: A file of a folder that has not grown for so many seconds is complete: its last line needs no line end.
COMPLETE_AFTER_S = 5.0


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
        self._waiting = 0  # bytes of the files that the last listing showed and that are still to be opened
        self._closed = False
        self._restless = Restless(sequence.place.path)
        self._grown = -COMPLETE_AFTER_S
        # The last listing, when it began, and how long it took.
        self._entries: list[Entry] = []
        self._listed, self._took = -math.inf, 0.0
        # The place in the order of the last file that was opened, and of the newest file that is there.
        self._key: Any = None
        self._newest: Any = None

    def begin(self) -> None:
        """Start at the first file. The logs that were rotated before the start are not read.

        Waits as long as a log is rotated whenever it looks.
        """
        while self._place.kind == "file":
            with suppress(MovedError):
                self._known = rotated_before(self._place)
                return

    def resume(self, state: State) -> None:
        """Continue at the position ``state``. Waits as long as files are moved whenever it looks."""
        self._known = Known(state["finished"])
        self.base = state["offset"]
        if state["file"] is None:
            return
        path, inode, length, digest, at, size = state["file"]
        if not length:  # nothing of the file was read, so the next listing shows it as unread
            return
        while True:
            with suppress(MovedError):
                self.reader = open_located(self._open_reader, path, inode, Mark(length, digest), at)
                break
        if self.reader:
            self.base -= at
        else:
            say_lost(path, at, size)

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
            return self._open_next()
        if self._queue or self.reader.whole:  # the listing was before the last read, which found the end
            older = self._queue and self._key is not None and self._queue[0].entry.key < self._key
            return self._pause() if older and not self.reader.whole else self._finish()
        if not self._list():
            return None
        if self._queue:
            return []
        quiet = time.monotonic() - self._grown >= COMPLETE_AFTER_S
        if not self._follow or (quiet and self._place.kind == "folder"):
            last = self.reader.finish()
            self.ended = not self._follow and not last
            return last or None
        return None

    def _list(self) -> bool:
        """List the files, unless this was done a moment ago. False: they are moved, and nothing is queued."""
        pause_s = LIST_EVERY_S if self._follow and not self._queue else 0.0
        done = time.monotonic() < self._listed + max(pause_s, self._took / SHARE_OF_LISTINGS)
        if done and (self._follow or self._queue):
            return True
        for _ in range(MOST_TRIES):
            with suppress(MovedError):
                self._list_now()
                return True
        self._drop_listing()
        self._restless.say()
        return False

    def _list_now(self) -> None:
        began = time.monotonic()
        entries = self._entries = self._place.entries(self._entries)
        current = self.reader.file if self.reader else None
        if current:
            now = next((entry for entry in entries if entry.inode == current.inode), None)
            self._key = now.key if now else None
            current.path = now.path if now else current.path
        self._queue = self._known.unread(entries, current)
        self._restless.said &= bool(self._queue)
        self._waiting = sum(file.size for file in self._queue)
        self._newest = entries[-1].key if entries else None
        self._listed, self._took = began, time.monotonic() - began

    def _drop_listing(self) -> None:
        self._queue, self._listed = [], -math.inf

    def _open_next(self) -> list[Record] | None:
        for _ in range(MOST_TRIES):
            if not self._list():
                return None
            if not self._queue:
                self.ended = not self._follow
                return None
            unread = self._queue.pop(0)
            try:
                self.reader = open_unread(self._open_reader, unread)
            except MovedError:
                self._drop_listing()
                continue
            self._waiting -= unread.size
            self.base -= unread.mark.length
            key = unread.entry.key
            out_of_order = self._key is not None and key < self._key
            say_begun(unread, self.base, is_newest=key == self._newest, is_out_of_order=out_of_order)
            self._key = key
            return []
        self._restless.say()
        return None

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

    def _after_truncation(self) -> list[Record] | None:
        """Continue in a copy of the file if there is one, else at the start of the file.

        ``None``: files are moved, so it is not known whether there is one.
        """
        assert self.reader is not None
        file, at = self.reader.file, self.reader.at
        if not file.mark().length:
            self._leave()
            return []
        try:
            copy = open_located(self._open_reader, file.path, file.inode, file.mark(), at, but=file.inode)
        except MovedError:
            return None
        if copy:
            file.close()
            self.reader = copy
            say_continued(file.path, at, copy.file.path)
            return []
        if last := self.reader.finish():
            return last
        say_continued(file.path, at)
        self._leave()
        return []

    def close(self) -> None:
        """Close the file. The position stays."""
        if self.reader and not self._closed:
            self.reader.file.close()
        self._closed = True
