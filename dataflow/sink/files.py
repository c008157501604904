"""``file:PATH``: JSON lines, or with the suffix ``.parquet`` a folder of Parquet files. Exactly once.

A file's state is its length: a resume cuts off what was written after the snapshot, and the replay
writes it again. A start without recovery state begins a new file when the first row comes.
"""

import os
from pathlib import Path

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.sink import Stream, paths
from dataflow.sink.encoding import json_rows
from dataflow.sink.parquet import ParquetSink, failing


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "JsonLinesSink | ParquetSink":
    """Makes the folders. Raises ``SourceError`` if the file cannot be written."""
    path = place(settings, uri, stream)
    try:
        if path.endswith(".parquet"):
            Path(path).mkdir(parents=True, exist_ok=True)
            return ParquetSink(path)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):
            pass
    except OSError as error:
        raise SourceError(f"{os.path.normpath(uri.path)}: cannot be written: {error.strerror}") from None
    return JsonLinesSink(path)


def place(settings: Settings, uri: Uri, stream: Stream) -> str:
    """The real path that ``uri`` names. Raises ``SettingsError`` if ``uri`` names none, or one that another
    sink or the source has, ``SourceError`` if something other than a file is there.
    """
    uri.allow()
    if uri.authority not in ("", "localhost") or not uri.path:
        raise SettingsError(f"sink.{stream}={uri}: write file:PATH")
    paths.regular(os.path.normpath(uri.path), stream)
    paths.check(settings)
    return paths.real_path(uri)


class JsonLinesSink(FixedPartitionedSink[pa.RecordBatch, int]):
    """One partition, so one worker of all writes."""

    def __init__(self, path: str) -> None:
        self._path = path

    def list_parts(self) -> list[str]:
        return [self._path]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_JsonLinesPartition":
        return _JsonLinesPartition(self._path, resume_state or 0)


class _JsonLinesPartition(StatefulSinkPartition[pa.RecordBatch, int]):
    def __init__(self, path: str, length: int) -> None:
        self._path = path
        with failing(path):
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        if self._file.seek(0, os.SEEK_END) < length:
            self._file.close()
            raise SourceError(
                f"{path}: is shorter than what had been written ({length} bytes); "
                f"put it back, or start with an empty recovery directory"
            )
        with failing(path):
            self._file.truncate(length)
        self._file.seek(length)

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        with failing(self._path):
            for batch in values:
                self._file.write(b"".join(json_rows(batch)))
            self._file.flush()

    def snapshot(self) -> int:
        # The store will say that these bytes are there: they must outlive a power cut.
        with failing(self._path):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        with failing(self._path):
            self._file.close()
