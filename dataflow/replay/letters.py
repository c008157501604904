"""Reads rows of ``sink.dead_letters`` and ``sink.late``, of any kind that a source can read."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError
from dataflow.replay.rows import Letter, letter_of
from dataflow.settings import Settings
from dataflow.source import open_uri

#: The schemes whose rows can be read, and have an end.
READABLE = ("file", "tail", "kafka", "delta")
#: A row may be longer than its record: an escape of JSON has six bytes.
_LONGEST_ROW = 1 << 28
#: Scheme -> the options with which a source reads what is there now.
_WHOLE = {
    "kafka": {"start": "earliest", "tail": "false"},
    "delta": {"tail": "false"},
    "tail": {"follow": "false"},
}


@dataclass(frozen=True)
class Filters:
    """Which letters are chosen. An empty sequence chooses all. ``since``, ``until``: the first time, and the
    first later one that is not chosen; a letter without a time is chosen only if both are ``None``.
    """

    reasons: Sequence[str] = ()
    keys: Sequence[str] = ()
    since: int | None = None
    until: int | None = None

    def __contains__(self, letter: Letter) -> bool:
        if self.reasons and letter.reason not in self.reasons:
            return False
        if self.keys and letter.key not in self.keys:
            return False
        if self.since is None and self.until is None:
            return True
        if letter.time is None:
            return False
        return (self.since is None or self.since <= letter.time) and (
            self.until is None or letter.time < self.until
        )


class Letters:
    """The letters at ``uris``. Each position is given once: a sink may write a row twice.

    ``inputs``: the real paths of the files that are read. Raises ``SettingsError`` or ``SourceError``.
    """

    def __init__(self, settings: Settings, uris: Iterable[str], filters: Filters, clock: Clock) -> None:
        # The rows of a sink do not have the fields that the settings name.
        fields = {"id_field": None, "key_field": None, "ts_field": "", "text_field": ""}
        options = settings.source.model_copy(update={**fields, "max_record_bytes": _LONGEST_ROW})
        self._settings, self._filters = settings, filters
        wide = settings.model_copy(update={"source": options})
        self._sources: list[tuple[str, Any]] = [
            (text, open_uri(wide, _to_end(text), clock=clock, check_format=lambda *_: None)) for text in uris
        ]
        names = [name for _, source in self._sources for name in source.list_parts()]
        self.inputs = sorted(os.path.realpath(name) for name in names if os.path.exists(name))

    def batches(self) -> Iterator[list[Letter]]:
        """The letters that the filters choose, some at a time."""
        seen: set[tuple[str, int]] = set()
        for uri, source in self._sources:
            for row in _rows(uri, source):
                found = []
                for text in row:
                    letter = letter_of(text, uri, self._settings)
                    position = (letter.partition, letter.offset)
                    if letter in self._filters and position not in seen:
                        seen.add(position)
                        found.append(letter)
                yield found


def _to_end(text: str) -> Uri:
    """The URI of a source that reads the rows at ``text``, all there are now."""
    uri = parse_uri(text)
    if uri.scheme not in READABLE:
        raise SettingsError(
            f"{text}: cannot be read again; name the output of a sink: {', '.join(READABLE)} or a path"
        )
    if uri.scheme == "file" and os.path.isdir(uri.path):
        pattern = "*.parquet" if uri.path.rstrip("/").endswith(".parquet") else "*.jsonl"
        return replace(uri, path=os.path.join(uri.path, pattern))
    return replace(uri, options={**uri.options, **_WHOLE.get(uri.scheme, {})})


def _rows(uri: str, source: Any) -> Iterator[list[bytes]]:
    for name in source.list_parts():
        part = source.build_part("replay", name, None)
        try:
            while True:
                for batch in part.next_batch():
                    yield batch.column("raw").to_pylist()
        except StopIteration:
            pass
        finally:
            part.close()
