"""Reads a file of JSON lines that grows, is cut, or is replaced."""

import os
from pathlib import Path

from dashboard.readers.block import Block, lines_block
from dashboard.streams import Stream
from dataflow.errors import SourceError

#: So many bytes are read at a time.
_BYTES = 1 << 20
#: A line may be so long.
_MOST_BYTES = 64 << 20
#: So much of the start of a file tells it from another one.
_HEAD_BYTES = 4096


class LinesReader:
    """The rows of a file. A last line without its line break is read when it is complete."""

    def __init__(self, path: Path, stream: Stream | None = None) -> None:
        self._path, self.stream = path, stream
        self._offset, self._line = 0, 0
        self._head = b""
        self._file: tuple[int, int] | None = None
        self._bytes = _BYTES
        self._anew = False

    def read(self) -> Block | None:
        """See :meth:`Reader.read <dashboard.readers.block.Reader.read>`."""
        with self._path.open("rb") as file:
            about = os.fstat(file.fileno())
            self._look(file.read(_HEAD_BYTES), (about.st_dev, about.st_ino), about.st_size)
            file.seek(self._offset)
            content = file.read(self._bytes)
        end = content.rfind(b"\n") + 1
        if not end:
            return self._without_line(len(content))
        self._bytes = _BYTES
        block = self._block(content[:end].splitlines(), behind=self._offset + end < about.st_size)
        self._offset += end
        return block

    def close(self) -> None:
        """The file is open only while it is read."""

    def _look(self, head: bytes, file: tuple[int, int], size: int) -> None:
        """Start anew if this is another file than before, or if it was cut."""
        is_same = file == self._file and head.startswith(self._head) and size >= self._offset
        if self._file is not None and not is_same:
            self._offset = self._line = 0
            self._anew = True
        self._file, self._head = file, head

    def _without_line(self, had: int) -> Block | None:
        if had == self._bytes:
            if self._bytes >= _MOST_BYTES:
                raise SourceError(
                    f"{self._path}: line {self._line + 1} is longer than {_MOST_BYTES >> 20} MB; "
                    "name a file that a flow writes"
                )
            self._bytes *= 4
        if self._anew and self.stream is not None:
            self._anew = False
            return Block(self.stream, anew=True)
        return None

    def _block(self, lines: list[bytes], *, behind: bool) -> Block | None:
        first = self._line + 1
        self.stream, block = lines_block(self._path, self.stream, lines, first, self._anew, behind)
        self._line += len(lines)
        self._anew = False
        return block
