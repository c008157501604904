"""What the log says about the files of a sequence."""

import logging

from dataflow.source.tail.known import Unread
from dataflow.telemetry.logs import Line

_log = logging.getLogger(__name__)


def say_begun(unread: Unread, base: int, *, is_newest: bool, is_out_of_order: bool) -> None:
    """A file is opened. ``base``: the offset of its first byte."""
    path, start, added = unread.entry.path, unread.mark.length, unread.size
    if start and not is_newest:
        sentence = f"{path}: grew by {added} bytes after a newer file was begun; reads them now"
        _log.warning(Line("file_grown", sentence, path=path, position=start, bytes=added))
    elif is_out_of_order:
        sentence = f"{path}: comes before files that were read already; reads it now"
        _log.warning(Line("file_out_of_order", sentence, path=path))
    else:
        offset = base + start
        _log.debug(Line("file_begun", f"{path}: read from offset {offset} on", path=path, offset=offset))


def say_lost(path: str, at: int, size: int) -> None:
    """The file that was read to byte ``at`` of ``size`` before a restart is not found."""
    sentence = (
        f"{path}: was read to byte {at} before the restart, and neither this file nor a file beside "
        f"it holds these bytes now; at least {size - at} bytes after them are lost"
    )
    _log.warning(Line("file_lost", sentence, path=path, position=at, bytes=size - at))


def say_continued(path: str, at: int, copy: str | None = None) -> None:
    """A file was truncated after byte ``at``. ``copy`` has what it held; ``None``: no copy is found."""
    if copy:
        sentence = f"{path}: was truncated; continues in its copy {copy}"
        _log.info(Line("file_truncated", sentence, path=path, position=at))
        return
    sentence = (
        f"{path}: was truncated, and no copy of it is there; what was written after byte {at} and "
        "before the truncation is lost; the source continues at its start"
    )
    _log.warning(Line("file_truncated", sentence, path=path, position=at))


class Restless:
    """Says once that the files of ``path`` are moved whenever they are looked at, until ``said`` is reset."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.said = False

    def say(self) -> None:
        """Say it, unless it was said."""
        if not self.said:
            sentence = (
                f"{self._path}: files are moved whenever they are looked at, so no other file is opened; let "
                "them rest for a moment, or move them less often"
            )
            _log.warning(Line("files_restless", sentence, path=self._path))
        self.said = True
