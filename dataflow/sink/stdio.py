"""``stdout:`` and ``stderr:``: JSON lines, which each worker writes at once. At least once.

After a crash, the rows since the last snapshot are written again.
"""

import os
import select
import signal
import sys
from threading import Lock

import pyarrow as pa
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflow.endpoints.uri import Uri
from dataflow.settings import Settings
from dataflow.sink import Stream
from dataflow.sink.encoding import json_lines


def open_sink(settings: Settings, uri: Uri, stream: Stream) -> "StdioSink":
    """Open the stream that the scheme names. Raises ``SettingsError`` for an option."""
    uri.allow()
    return StdioSink(uri.scheme)


class StdioSink(DynamicSink[tuple[str, pa.RecordBatch]]):
    """Writes to ``stdout`` or ``stderr`` of the process; ``name`` says which."""

    def __init__(self, name: str) -> None:
        self._name = name

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_StdioPartition":
        stream = getattr(sys, self._name)
        stream.flush()
        return _StdioPartition(stream.fileno())


#: Workers are threads, and a pipe accepts a long row in parts. With this lock, rows do not mix.
_WRITES = Lock()


class _StdioPartition(StatelessSinkPartition[tuple[str, pa.RecordBatch]]):
    """Writes to the file descriptor: an unbuffered stream (``python -u``) may write fewer bytes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write_batch(self, items: list[tuple[str, pa.RecordBatch]]) -> None:
        try:
            for _, batch in items:
                with _WRITES:
                    self._write(json_lines(batch))
        except BrokenPipeError:
            # The reader, for example `| head`, has closed the pipe. Python ignores SIGPIPE; the process ends
            # with the exit code of a program that SIGPIPE ends.
            os._exit(128 + signal.SIGPIPE)

    def _write(self, rows: memoryview) -> None:
        while rows:
            try:
                rows = rows[os.write(self._fd, rows) :]
            except BlockingIOError:
                ready = select.poll()
                ready.register(self._fd, select.POLLOUT)
                ready.poll()
