"""The sinks: where results go. This docstring is the contract that each sink keeps.

A sink is a module with the function ``open_sink``, and a line in :data:`SINKS`::

    def open_sink(settings: Settings, uri: Uri, stream: Stream) -> Sink[tuple[str, pa.RecordBatch]]: ...

Opening
    ``open_sink`` raises ``SettingsError`` for a wrong option or setting, and ``SourceError`` if the sink
    cannot be opened. The text of an error is one line that says to a user what is wrong and what to do. The
    options of the URI (``uri.options``) belong to the sink; it refuses all other options with ``uri.allow``.
    ``open_sink`` deletes no rows: a resume may follow, which needs them. An optional dependency is
    imported inside a function, not when the module is imported.

Items
    An item is ``(key, batch)``. Each stream has one schema: ``scores`` has ``SCORED``, ``alerts`` has
    ``ALERT``, ``drift`` has ``DRIFT``, ``late`` has ``LATE``, ``dead_letters`` has ``DEAD_LETTER``,
    ``windows`` has ``WINDOW_SUMMARY``. Batches may be empty.
    The sink writes the batches of one key in the order in which it receives them. Bytewax gives the batches
    without their keys to a ``FixedPartitionedSink``, and the items to a ``DynamicSink``.
    :mod:`dataflow.sink.encoding` turns a batch into JSON, and each row into an identity that stays the same
    after a replay.

Recovery
    A snapshot covers the rows that the sink received before the snapshot. After a crash, these rows are still
    there, and the sink receives all later rows again. A ``FixedPartitionedSink`` can keep a state and remove
    the later rows at a resume: each row is then there exactly once. A ``DynamicSink`` has no state: when
    ``write_batch`` returns, the rows must be safe, and after a crash the later rows are there twice.

    A sink may have the method ``use_store(identity: str)``, which says in which recovery store its state is
    kept. A resume before the first snapshot has no state, and the same store; a new start has another store.

Errors
    Text for a user is one line, as above. ``write_batch`` raises ``OutageError`` if the destination was
    unreachable for too long, and ``SourceError`` for all other failures. Both end the process, and a restart
    resumes at the last snapshot.

To add a sink: write the module, add its scheme to :data:`SINKS`, and add an example to the contract test
``tests/unit/sink/test_contract.py``.
"""

from importlib import import_module
from typing import Literal, TypeAlias

import pyarrow as pa
from bytewax.outputs import Sink

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import Settings

#: The streams of results. Each has a setting of its own name in the group ``sink``.
Stream: TypeAlias = Literal["scores", "alerts", "drift", "late", "dead_letters", "windows"]

#: Scheme of a URI -> the module with ``open_sink``. The module is imported when the scheme is used.
SINKS = {
    "stdout": "dataflow.sink.stdio",
    "stderr": "dataflow.sink.stdio",
    "file": "dataflow.sink.files",
    "kafka": "dataflow.sink.kafka",
    "https": "dataflow.sink.webhook",
    "http": "dataflow.sink.webhook",
    "delta": "dataflow.sink.delta",
}


def open_sink(
    uri: str, settings: Settings, *, stream: Stream, store: str | None = None
) -> "Sink[tuple[str, pa.RecordBatch]]":
    """Open the sink that ``uri`` names, for ``stream``. Raises ``SettingsError``, ``SourceError``.

    ``store``: the identity of the recovery store; ``None``: there is no store, or this process does not see
    it.
    """
    parsed = parse_uri(uri)
    if parsed.scheme not in SINKS:
        raise SettingsError(f"sink.{stream}={uri}: no sink {parsed.scheme!r}; there are {', '.join(SINKS)}")
    sink: Sink[tuple[str, pa.RecordBatch]]
    sink = import_module(SINKS[parsed.scheme]).open_sink(settings, parsed, stream)
    if store is not None and hasattr(sink, "use_store"):
        sink.use_store(store)
    return sink
