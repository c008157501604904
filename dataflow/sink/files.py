"""``file:PATH``: JSON lines, or a folder of Parquet files if the suffix is ``.parquet``. Exactly once.

The state of a file of JSON lines is its length. A resume removes the rows after that length, and the replay
writes them again. A start without a snapshot empties the file when the first row comes.
"""

import os
from pathlib import Path

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings, to_metadata
from dataflow.sink import Stream
from dataflow.sink.conflicts import refuse_conflicts
from dataflow.sink.encoding import json_lines
from dataflow.sink.parquet import ParquetSink
from dataflow.sink.paths import check_type, real_path, write_errors


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "JsonLinesSink | ParquetSink":
    """Make the folders and open the sink. Raises ``SourceError`` if the file cannot be written."""
    path = output_path(settings, uri, stream)
    try:
        if path.endswith(".parquet"):
            Path(path).mkdir(parents=True, exist_ok=True)
            return ParquetSink(path, to_metadata(settings))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):
            pass
    except OSError as error:
        raise SourceError(f"{os.path.normpath(uri.path)}: cannot be written: {error.strerror}") from None
    return JsonLinesSink(path)


def output_path(settings: Settings, uri: Uri, stream: Stream) -> str:
    """The real path that ``uri`` names. Makes nothing.

    Raises ``SettingsError`` if ``uri`` names no path, or a path that another sink or the source uses, and
    ``SourceError`` if the path exists and is not a file.
    """
    uri.allow()
    if uri.authority not in ("", "localhost") or not uri.path:
        raise SettingsError(f"sink.{stream}={uri}: write file:PATH")
    check_type(os.path.normpath(uri.path), stream)
    refuse_conflicts(settings)
    return real_path(uri)


class JsonLinesSink(FixedPartitionedSink[pa.RecordBatch, int]):
    """One partition, so only one of all workers writes the file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def list_parts(self) -> list[str]:
        return [self._path]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_JsonLinesPartition":
        return _JsonLinesPartition(self._path, resume_state or 0)


class _JsonLinesPartition(StatefulSinkPartition[pa.RecordBatch, int]):
    def __init__(self, path: str, length: int) -> None:
        self._path = path
        with write_errors(path):
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        if self._file.seek(0, os.SEEK_END) < length:
            self._file.close()
            raise SourceError(
                f"{path}: is shorter than the {length} bytes that were written before; "
                f"restore the file, or start with an empty recovery directory"
            )
        with write_errors(path):
            self._file.truncate(length)
        self._file.seek(length)

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        with write_errors(self._path):
            for batch in values:
                self._file.write(json_lines(batch))
            self._file.flush()

    def snapshot(self) -> int:
        # The recovery store will say that these bytes exist, so they must survive a power failure.
        with write_errors(self._path):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        with write_errors(self._path):
            self._file.close()
