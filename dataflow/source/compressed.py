"""Compressed files: gzip (``.gz``) and Zstandard (``.zst``). Members and frames may follow each other."""

import gzip
import zlib
from io import RawIOBase
from pathlib import PurePath
from typing import Protocol, cast

import pyarrow as pa

from dataflow.errors import SourceError

#: The suffixes of compressed files.
SUFFIXES = (".gz", ".zst")
_BLOCK_BYTES = 1 << 18


class Unpacked(Protocol):
    """The bytes that a compressed file holds."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""

    def close(self) -> None:
        """Close the file."""


def is_compressed(path: str) -> bool:
    """Whether the name of the file ends as that of a compressed file.

    >>> is_compressed("logs/app.log.2.GZ"), is_compressed("gz")
    (True, False)
    """
    return path.lower().endswith(SUFFIXES)


def without_suffix(path: str) -> str:
    """``path`` without the suffix of a compressed file.

    >>> without_suffix("a.jsonl.zst"), without_suffix("a.jsonl")
    ('a.jsonl', 'a.jsonl')
    """
    return path[: -len(PurePath(path).suffix)] if is_compressed(path) else path


def unpack(path: str, packed: RawIOBase) -> Unpacked:
    """The bytes that ``packed``, the content of the file ``path``, holds. ``close`` closes ``packed`` too."""
    if path.lower().endswith(".gz"):
        return cast(Unpacked, _Gzip(packed))
    return cast(Unpacked, pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"))


class _Gzip(gzip.GzipFile):
    def __init__(self, packed: RawIOBase) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


def read_unpacked(stream: Unpacked, path: str, size: int = _BLOCK_BYTES) -> bytes:
    """The next bytes, at most ``size``; none at the end. Raises ``SourceError`` if the file is damaged."""
    try:
        return stream.read(size) or b""
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None


def skip(stream: Unpacked, path: str, count: int) -> int:
    """Read ``count`` bytes, or fewer if the stream ends. Returns the number of the bytes read."""
    left = count
    while left and (block := read_unpacked(stream, path, min(left, _BLOCK_BYTES))):
        left -= len(block)
    return count - left
