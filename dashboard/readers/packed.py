"""Reads a compressed file of JSON lines: whole, and again when it has changed."""

import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from dashboard.readers.block import Block, lines_block
from dashboard.streams import Stream
from dataflow.errors import SourceError

SUFFIXES = (".gz", ".zst")
_BYTES = 1 << 20
_MOST_BYTES = 64 << 20


class PackedReader:
    """The rows of a ``.jsonl.gz`` or ``.jsonl.zst`` file."""

    def __init__(self, path: Path, stream: Stream | None = None) -> None:
        self._path, self.stream = path, stream
        self._seen: tuple[int, int, int] | None = None
        self._open: Any = None
        self._rest = b""
        self._line = 0
        self._anew = False

    def read(self) -> Block | None:
        """See :meth:`Reader.read <dashboard.readers.block.Reader.read>`."""
        if self._open is None and not self._begin():
            return None
        try:
            content: bytes = self._open.read(_BYTES)
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            self.close()
            raise SourceError(
                f"{self._path}: is not whole; write it again, or wait until it is written"
            ) from None
        whole, self._rest = _split(self._rest + content, at_end=not content)
        if not content:
            self.close()
        if len(self._rest) > _MOST_BYTES:
            self.close()
            raise SourceError(f"{self._path}: a line is longer than {_MOST_BYTES >> 20} MB")
        lines = whole.splitlines()
        self.stream, block = lines_block(
            self._path, self.stream, lines, self._line + 1, self._anew, bool(content)
        )
        self._line += len(lines)
        self._anew = False
        return block

    def close(self) -> None:
        """See :meth:`Reader.close <dashboard.readers.block.Reader.close>`."""
        if self._open is not None:
            self._open.close()
        self._open, self._rest = None, b""

    def _begin(self) -> bool:
        """Open the file if it has changed. Returns whether it has."""
        about = os.stat(self._path)
        seen = (about.st_ino, about.st_size, about.st_mtime_ns)
        if seen == self._seen:
            return False
        self._anew, self._line = self._seen is not None, 0
        if self._path.suffix == ".gz":
            self._open = gzip.GzipFile(self._path)
        else:
            self._open = pa.input_stream(str(self._path), compression="zstd")
        self._seen = seen
        return True


def _split(content: bytes, *, at_end: bool) -> tuple[bytes, bytes]:
    """The whole lines, and the rest."""
    end = len(content) if at_end else content.rfind(b"\n") + 1
    return content[:end], content[end:]
