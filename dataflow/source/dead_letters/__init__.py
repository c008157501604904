"""``dead_letters:FOLDER?send=N``: the records of a send of ``python -m dataflow.replay``.

Each partition that the records were read from is a partition, and each record keeps its position: an event
gets the id that it would have had. The records of a partition come by event time and then by offset, so that
no event is late: their offsets do not increase. The state is the event time and the offset of the last
record.
"""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import NEVER, Clock
from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError
from dataflow.items.schemas import RAW, TIMESTAMP
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import CheckFormat
from dataflow.source.batching import records_in_batch
from dataflow.source.dead_letters.selection import Record, Selection, Send

#: The event time and the offset of the last record that a partition gave.
Position = tuple[int, int]
_START: Position = (NEVER, 0)


def open_source(settings: Settings, uri: Uri, clock: Clock, check_format: CheckFormat) -> "DeadLetterSource":
    """Open the send. Raises ``SettingsError`` or ``SourceError`` if there is none."""
    uri.allow("send")
    number = uri.options.get("send", "")
    if not uri.path or uri.authority or not number.isdecimal():
        raise SettingsError(f"{uri}: write dead_letters:FOLDER?send=N")
    with closing(Selection(Path(uri.path))) as selection:
        return _open(selection, settings, uri, int(number), check_format)


def _open(
    selection: Selection, settings: Settings, uri: Uri, number: int, check_format: CheckFormat
) -> "DeadLetterSource":
    found = [send for send in selection.sends() if send.number == number]
    if not found or found[0].state in ("done", "forgotten"):
        what = f"is {found[0].state}" if found else "does not exist"
        raise SettingsError(f"{uri}: send {number} {what}; `python -m dataflow.replay sends` lists the sends")
    _refuse_inputs(settings, found[0])
    for metadata in selection.metadata(number):
        header = metadata.get("header")
        check_format(metadata["format"], None if header is None else header.encode())
    return DeadLetterSource(selection.path.parent, number, selection.partitions(number), settings.source)


def _refuse_inputs(settings: Settings, send: Send) -> None:
    """Raise ``SettingsError`` if a sink would begin a new file in place of one with the dead letters."""
    inputs = set(send.inputs) | {os.path.dirname(path) for path in send.inputs}
    for stream, uris in settings.sink:
        for text in uris if isinstance(uris, tuple) else ():
            uri = parse_uri(text)
            if uri.scheme == "file" and os.path.realpath(uri.path) in inputs:
                raise SettingsError(
                    f"sink.{stream}={text}: has the dead letters that are replayed; name another file"
                )


class DeadLetterSource(FixedPartitionedSource[pa.RecordBatch, Position]):
    """A partition for each partition that the records of a send were read from."""

    def __init__(self, folder: Path, send: int, partitions: list[str], options: SourceOptions) -> None:
        self._folder, self._send, self._partitions, self._options = folder, send, partitions, options

    def list_parts(self) -> list[str]:
        return self._partitions

    def partitions_with_data(self) -> list[str]:
        """See :func:`dataflow.source.partitions_with_data`."""
        return self._partitions

    def build_part(self, step_id: str, for_part: str, resume_state: Position | None) -> "_Partition":
        return _Partition(
            Selection(self._folder), self._send, for_part, self._options, resume_state or _START
        )


class _Partition(StatefulSourcePartition[pa.RecordBatch, Position]):
    def __init__(
        self, selection: Selection, send: int, name: str, options: SourceOptions, last: Position
    ) -> None:
        self._selection, self._send, self._name, self._options = selection, send, name, options
        self._last = last

    def next_batch(self) -> list[pa.RecordBatch]:
        found = self._selection.read(self._send, self._name, self._last, self._options.batch_rows)
        # A batch has one format.
        records = list(takewhile(lambda record: record.metadata == found[0].metadata, found))
        records = records[: records_in_batch((len(record.raw) for record in records), self._options)]
        if not records:
            raise StopIteration
        self._last = records[-1].ts, records[-1].offset
        return [batch_of(records)]

    def position(self) -> int:
        """The offset of the last record."""
        return self._last[1]

    def snapshot(self) -> Position:
        return self._last

    def close(self) -> None:
        self._selection.close()


def batch_of(records: Sequence[Record]) -> pa.RecordBatch:
    """Records with the same metadata as a batch of ``raw_schema``."""
    columns = {field: [getattr(record, field.name) for record in records] for field in RAW}
    arrays = [_array(values, field.type) for field, values in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW.with_metadata(json.loads(records[0].metadata)))


def _array(values: list[Any], type: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64()).cast(type) if type == TIMESTAMP else pa.array(values, type)
