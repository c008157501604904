"""Where results go. A sink is a module with one function, and a line in ``SINKS``::

    def open_sink(settings: Settings, uri: Uri, stream: Stream) -> Sink[tuple[str, pa.RecordBatch]]: ...

- It raises ``SettingsError`` or ``SourceError``, each one line for a user, if it cannot be opened.
- An item is ``(key, batch)``: ``SCORED`` batches in the stream ``scores``, ``LATE`` in ``late``,
  ``DEAD_LETTER`` in ``dead_letters``, ``WINDOW_SUMMARY`` in ``windows``. A key's batches keep their order.
- What a sink took before a snapshot is there after a crash; what it took since comes again.
"""

from importlib import import_module
from typing import Literal, TypeAlias

import pyarrow as pa
from bytewax.outputs import Sink

from dataflow.endpoints import uri as uris
from dataflow.errors import SettingsError
from dataflow.settings import Settings

Stream: TypeAlias = Literal["scores", "late", "dead_letters", "windows"]

#: URI scheme -> module with ``open_sink``, imported when it is used.
SINKS = {
    "stdout": "dataflow.sink.stdio",
    "stderr": "dataflow.sink.stdio",
    "file": "dataflow.sink.files",
    "kafka": "dataflow.sink.kafka",
}


def open_sink(uri: str, settings: Settings, *, stream: Stream) -> "Sink[tuple[str, pa.RecordBatch]]":
    """The sink that ``uri`` names, for this stream. Raises ``SettingsError``, ``SourceError``."""
    parsed = uris.parse(uri)
    if parsed.scheme not in SINKS:
        raise SettingsError(f"sink.{stream}={uri}: no sink {parsed.scheme!r}; there are {', '.join(SINKS)}")
    sink: Sink[tuple[str, pa.RecordBatch]]
    sink = import_module(SINKS[parsed.scheme]).open_sink(settings, parsed, stream)
    return sink
