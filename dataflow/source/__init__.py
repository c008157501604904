"""The sources: where records come from. This docstring is the contract that each source keeps.

A source is a module with the function ``open_source``, and a line in :data:`SOURCES`::

    def open_source(
        settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat
    ) -> FixedPartitionedSource[pa.RecordBatch, Any]: ...

Opening
    ``open_source`` raises ``SettingsError`` for a wrong option or setting, and ``SourceError`` if the source
    cannot be opened. The text of an error is one line that says to a user what is wrong and what to do.
    The options of the URI (``uri.options``) belong to the source; it refuses all other options with
    ``uri.allow``. It calls ``check_format`` as soon as it knows the format of the records (and, for CSV, the
    header), so that settings which fit no record fail at the start. An optional dependency is imported
    inside a function, not when the module is imported.

Batches
    An item is a record batch of ``raw_schema(format, header)``. A batch holds the records of one partition:
    at least one, at most ``settings.source.batch_rows``, and at most ``settings.source.batch_bytes`` bytes
    of records. A record that is longer is a batch of its own. :mod:`dataflow.source.batching` makes such
    batches. The results do not depend on where a source ends its batches.

Identity and position
    ``partition`` and ``offset`` identify a record: after a restart, the same record has the same partition
    and the same offset. Offsets increase within a partition
    (but in ``dead_letters``, which says why). ``snapshot()`` of a partition returns the
    position after the last record that ``next_batch`` returned; a partition that is built with this state
    continues with the next record. A source that cannot be read twice (``stdin``) says so in its docstring.
    A partition whose state is more than an offset has ``position()``, the offset that the log shows.

Waiting
    Bytewax's workers are cooperative: while one partition waits inside ``next_batch``, the worker reads no
    other partition. So a partition without records waits only as :mod:`dataflow.source.waiting` says.
    ``clock`` is the only wall clock. It stamps the arrival of records, and nothing waits for it.

Partitions with data
    A source may have the method ``partitions_with_data() -> list[str]``: the partitions that have records to
    read now. The watermark of the stream waits until each of these partitions has given an event.

New partitions
    A source whose partitions may become more has two methods. ``resume(known: Collection[str])`` is called
    before the start if the flow resumes. ``known`` are the partitions that the recovery store knows; a
    partition that is not among them was added since, and is read from its first record.
    ``watch_partitions(added: Callable[[list[str]], None])`` is called at the start. From then on, the source
    calls ``added``, in any thread, with the names of partitions that were added after ``list_parts``.

To add a source: write the module, add its scheme to :data:`SOURCES`, and add an example to the contract test
``tests/unit/source/test_contract.py``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource

from dataflow.clock import Clock
from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import Settings

#: Takes the format of the records and, for CSV, the header record. Raises ``SettingsError`` if no record of
#: this format can become an event with the settings.
CheckFormat: TypeAlias = Callable[[str, bytes | None], None]

#: Scheme of a URI -> the module with ``open_source``. The module is imported when the scheme is used.
SOURCES = {
    "file": "dataflow.source.files",
    "tail": "dataflow.source.tail",
    "stdin": "dataflow.source.stdin",
    "kafka": "dataflow.source.kafka",
    "delta": "dataflow.source.delta",
    "demo": "dataflow.source.demo",
    "dead_letters": "dataflow.source.dead_letters",
}


def open_source(
    settings: Settings, *, clock: Clock, check_format: CheckFormat
) -> "FixedPartitionedSource[pa.RecordBatch, Any]":
    """Open the source that ``settings.source.uri`` names. Raises ``SettingsError``, ``SourceError``."""
    return open_uri(settings, parse_uri(settings.source.uri), clock=clock, check_format=check_format)


def open_uri(
    settings: Settings, uri: Uri, *, clock: Clock, check_format: CheckFormat
) -> "FixedPartitionedSource[pa.RecordBatch, Any]":
    """Open the source that ``uri`` names; ``settings`` say how to read and to decode its records.

    Raises ``SettingsError``, ``SourceError``.
    """
    if uri.scheme not in SOURCES:
        raise SettingsError(f"source.uri={uri}: no source {uri.scheme!r}; there are {', '.join(SOURCES)}")
    module = import_module(SOURCES[uri.scheme])
    source: FixedPartitionedSource[pa.RecordBatch, Any]
    source = module.open_source(settings, uri, clock, check_format)
    return source


def partitions_with_data(source: Any) -> list[str]:
    """The partitions of ``source`` that have records to read now; none if ``source`` does not say."""
    names: list[str] = source.partitions_with_data() if hasattr(source, "partitions_with_data") else []
    return names
