"""Recognises the content of a file, whatever the name of the file is: its length and its two ends."""

import hashlib
import os
from contextlib import closing
from io import FileIO
from typing import NamedTuple

from dataflow.errors import SourceError
from dataflow.source.compressed import read_unpacked, unpack

#: How many bytes at the start, and how many at the end, a mark covers.
ENDS = 1024


class Mark(NamedTuple):
    """The first ``length`` bytes of a file. ``digest``: of the first and the last ``ENDS`` of these bytes."""

    length: int
    digest: int


def mark_of(length: int, head: bytes, tail: bytes) -> Mark:
    """The mark of ``length`` bytes that begin with ``head`` and end with ``tail``."""
    digest = hashlib.blake2b(head[:ENDS], digest_size=8)
    digest.update(tail[-ENDS:])
    return Mark(length, int.from_bytes(digest.digest(), "big") >> 1)  # a signed integer of 64 bits


#: The mark of no bytes.
NOTHING = mark_of(0, b"", b"")


def ends(descriptor: int, length: int) -> tuple[bytes, bytes]:
    """The first and the last ``ENDS`` bytes of the first ``length`` bytes of an open file."""
    count = min(length, ENDS)
    return os.pread(descriptor, count, 0), os.pread(descriptor, count, length - count)


#: Files that are moved while they are looked at are looked at anew so often at most, until the next poll.
MOST_TRIES = 5


class MovedError(Exception):
    """A path is no longer that of the file that a listing showed under it."""


def file_mark(path: str, inode: int, length: int) -> Mark | None:
    """The mark of the first ``length`` bytes of a file; ``None`` if it is shorter, or cannot be read.

    Raises ``MovedError`` if the file at ``path`` is not ``inode``.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != inode:
                raise MovedError(path)
            return mark_of(length, *ends(file.fileno(), length)) if status.st_size >= length else None
    except FileNotFoundError:
        raise MovedError(path) from None
    except OSError:
        return None


def unpacked_mark(path: str, inode: int, length: int, whole: bool = False) -> Mark | None:
    """The mark of the first ``length`` bytes that a compressed file holds; with ``whole``, of all its bytes.

    ``None`` if it holds fewer (with ``whole``: not as many) bytes, or cannot be read. Raises ``MovedError``
    if the file at ``path`` is not ``inode``.
    """
    left, head, tail = length, b"", b""
    try:
        packed = FileIO(path)
        with closing(unpack(path, packed)) as stream:
            if os.fstat(packed.fileno()).st_ino != inode:
                raise MovedError(path)
            while left and (block := read_unpacked(stream, path, min(left, 1 << 18))):
                left -= len(block)
                head += block[: ENDS - len(head)]
                tail = (tail + block)[-ENDS:]
            if left or (whole and read_unpacked(stream, path, 1)):
                return None
    except FileNotFoundError:
        raise MovedError(path) from None
    except (OSError, SourceError):
        return None
    return mark_of(length, head, tail)
