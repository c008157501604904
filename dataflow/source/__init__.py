"""Where records come from. A source is a module with one function, and a line in ``SOURCES``::

    def open_source(settings: Settings, uri: Uri, clock: Clock, check: Check) -> Source[pa.RecordBatch]: ...

- It raises ``SettingsError`` or ``SourceError``, each one line for a user, if it cannot be opened.
- The items are record batches of ``events.raw_schema(format, header)``, up to
  ``settings.source.batch_rows`` rows and ``batch_bytes`` bytes of records each; a record with more bytes
  is a batch of its own. How rows are cut into batches means nothing.
- ``partition`` and ``offset`` of a record are its identity: the same record has the same after a
  restart. A partition's ``snapshot()`` is the position after the last record that it gave out.
- A source may have ``partitions_with_data() -> list[str]``: the partitions that have records to give now. The
  watermark waits until each of them has given an event.
- Bytewax's workers are cooperative: a partition waits for records only as :mod:`dataflow.source.idle`
  says. ``clock`` is the only wall clock, and stamps arrivals; nothing waits by a wall clock.
- Options in the URI (``uri.options``) are the source's own; it refuses others with ``uri.allow``.
- A module may import an optional dependency only inside ``open_source``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

import pyarrow as pa
from bytewax.inputs import Source

from dataflow.clock import Clock
from dataflow.endpoints import uri as uris
from dataflow.errors import SettingsError
from dataflow.settings import Settings

#: Takes a record format and, for CSV, the header record. Raises ``SettingsError`` if no record of this format
#: can be an event with the settings.
Check: TypeAlias = Callable[[str, bytes | None], None]

#: URI scheme -> module with ``open_source``, imported when it is used.
SOURCES = {
    "file": "dataflow.source.files",
    "stdin": "dataflow.source.stdin",
    "kafka": "dataflow.source.kafka",
    "demo": "dataflow.source.demo",
}


def open_source(settings: Settings, *, clock: Clock, check: Check) -> "Source[pa.RecordBatch]":
    """The source that ``settings.source.uri`` names. Raises ``SettingsError``, ``SourceError``."""
    return open_uri(settings, uris.parse(settings.source.uri), clock=clock, check=check)


def open_uri(settings: Settings, uri: uris.Uri, *, clock: Clock, check: Check) -> "Source[pa.RecordBatch]":
    """The source that ``uri`` names, its records read as ``settings`` say."""
    if uri.scheme not in SOURCES:
        raise SettingsError(f"source.uri={uri}: no source {uri.scheme!r}; there are {', '.join(SOURCES)}")
    module = import_module(SOURCES[uri.scheme])
    source: Source[pa.RecordBatch] = module.open_source(settings, uri, clock, check)
    return source


def partitions_with_data(source: "Source[pa.RecordBatch]") -> list[str]:
    """The source's partitions that have records to give now; none if it does not say."""
    names: list[str] = source.partitions_with_data() if hasattr(source, "partitions_with_data") else []
    return names
