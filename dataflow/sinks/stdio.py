"""``stdout:`` and ``stderr:``: JSON lines, written by each worker as they come.

At least once: rows since the last snapshot are printed again after a crash.
"""

import os
import signal
import sys
from typing import BinaryIO

import pyarrow as pa
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.settings import Settings
from dataflow.sinks import Stream
from dataflow.sinks.rows import json_rows
from dataflow.uri import Uri


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "StdioSink":
    uri.allow()
    return StdioSink(uri.scheme)


class StdioSink(DynamicSink[tuple[str, pa.RecordBatch]]):
    """Writes to the process's ``stdout`` or ``stderr``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_StdioPartition":
        return _StdioPartition(getattr(sys, self._name).buffer)


class _StdioPartition(StatelessSinkPartition[tuple[str, pa.RecordBatch]]):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write_batch(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        try:
            for _, batch in items:
                self._file.write(b"".join(json_rows(batch)))
            self._file.flush()
        except BrokenPipeError:
            # `| head` has what it wants. Python ignores SIGPIPE; end as it ends any other filter.
            os._exit(128 + signal.SIGPIPE)
