"""Reads the rows of a data file of a Delta table, a part at a time, as JSON records."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from dataflow.settings import Source as SourceOptions
from dataflow.source.delta.log import DataFile
from dataflow.source.delta.predicate import Predicate
from dataflow.source.rows import json_records

#: How much of a column is read at a time.
_BUFFER_BYTES = 1 << 20
_ROW = "driftline row"


class Selection(NamedTuple):
    """What is read of a table. ``columns``: ``None`` means all. ``predicate``: ``None`` means all rows."""

    columns: frozenset[str] | None
    predicate: Predicate | None

    def names(self, schema: pa.Schema) -> list[str]:
        """The columns of ``schema`` that records have."""
        return [name for name in schema.names if self.columns is None or name in self.columns]


class Part(NamedTuple):
    """Some rows of a file. ``rows``: the number of each row in the file. ``end``: the next row to read."""

    rows: Sequence[int]
    records: Sequence[bytes]
    end: int


def read_rows(
    files: pafs.FileSystem,
    file: DataFile,
    schema: pa.Schema,
    selection: Selection,
    options: SourceOptions,
    first: int,
) -> Iterator[Part]:
    """The rows of ``file`` from row ``first`` on, in order. The last part ends with the number of its rows.

    A record has the columns of ``schema`` that the file has, and those of the partition. A part has at most
    ``options.batch_rows`` rows, and is decoded from about ``options.batch_bytes`` bytes or one row. Row
    groups whose statistics exclude the predicate are not read.
    """
    with pq.ParquetFile(
        files.open_input_file(file.path), buffer_size=_BUFFER_BYTES, coerce_int96_timestamp_unit="us"
    ) as parquet:
        wanted = {*selection.names(schema), *(selection.predicate.columns if selection.predicate else ())}
        stored = [name for name in parquet.schema_arrow.names if name in wanted]
        groups = _groups(files, file, stored, schema, selection.predicate)
        start = 0
        for number in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(number)
            end = start + group.num_rows
            if end > first and (groups is None or number in groups):
                rows = min(
                    options.batch_rows,
                    max(1, options.batch_bytes * group.num_rows // (group.total_byte_size or 1)),
                )
                for batch in parquet.iter_batches(rows, row_groups=[number], columns=stored):
                    numbers = pa.array(np.arange(start, start + len(batch)))
                    start += len(batch)
                    if start > first:
                        table = _completed(batch, numbers, file, schema, wanted)
                        yield _part(table.filter(pc.field(_ROW) >= first), selection, schema, start)
            start = end
        yield Part((), (), start)


def _groups(
    files: pafs.FileSystem,
    file: DataFile,
    stored: list[str],
    schema: pa.Schema,
    predicate: Predicate | None,
) -> set[int] | None:
    """The row groups that may have rows which meet ``predicate``; ``None`` means all."""
    if predicate is None or not predicate.columns.keys() <= {*stored, *file.values}:
        return None
    partition = ds.scalar(True)
    for name, value in file.values.items():
        same = ds.field(name) == value if value.is_valid else ds.field(name).is_null()
        partition = same & partition
    fragment = ds.ParquetFileFormat().make_fragment(file.path, files, partition)
    return {group.id for group in fragment.subset(predicate.expression, schema=schema).row_groups}


def _completed(
    batch: pa.RecordBatch, numbers: pa.Array, file: DataFile, schema: pa.Schema, wanted: set[str]
) -> pa.Table:
    """The rows with the columns that the file does not hold: those of the partition, and the row number."""
    columns: dict[str, Any] = {_ROW: numbers}
    for field in schema:
        if field.name in batch.schema.names:
            columns[field.name] = _typed(batch.column(field.name), field.type)
        elif field.name in file.values and field.name in wanted:
            columns[field.name] = pa.repeat(file.values[field.name], len(batch))
    return pa.table(columns)


def _typed(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    # Spark writes times without a zone (INT96), and the log knows that they are in UTC.
    is_time = pa.types.is_timestamp(wanted) and column.type != wanted
    return column.cast(wanted, safe=False) if is_time else column


def _part(table: pa.Table, selection: Selection, schema: pa.Schema, end: int) -> Part:
    names = [name for name in selection.names(schema) if name in table.column_names]
    if selection.predicate:
        for name, type in selection.predicate.columns.items():
            if name not in table.column_names:  # added to the table after this file was written
                table = table.append_column(name, pa.nulls(len(table), type))
        table = table.filter(selection.predicate.expression)
    records = [record for batch in table.to_batches() for record in json_records(batch.select(names))]
    return Part(table[_ROW].to_pylist(), records, end)
