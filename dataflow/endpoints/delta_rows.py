"""The rows that a Delta table has now."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from dataflow.endpoints import delta
from dataflow.endpoints.delta import Location
from dataflow.errors import SourceError


class TableFile(NamedTuple):
    """A file of a table. ``modified``: milliseconds since the Unix epoch. ``path``: in the table.
    ``values``: those of the columns by which the table is partitioned.
    """

    modified: int
    path: str
    values: Mapping[str, pa.Scalar]


def files_of(table: Any) -> list[TableFile]:
    """The files of ``table``, a ``DeltaTable``, in the order in which they were written."""
    actions = pa.table(table.get_add_actions())
    if "partition" not in actions.schema.names:  # the table is not partitioned
        actions = actions.append_column("partition", pa.array([{}] * len(actions), pa.struct([])))
    names = [field.name for field in actions.schema.field("partition").type]
    found = actions.select(["modification_time", "path", "partition"])
    files = [
        TableFile(at.as_py(), delta.file_path(path.as_py()), {name: of[name] for name in names})
        for at, path, of in zip(*found.columns, strict=True)
    ]
    return sorted(files, key=lambda file: file[:2])


class TableRows:
    """The rows of ``table``, a ``DeltaTable``, in the version in which it was opened. ``schema``: its
    columns.

    Raises ``SourceError`` if the table has deletion vectors or is a shallow clone.
    """

    def __init__(self, where: Location, table: Any) -> None:
        self._where, self.schema = where, pa.schema(table.schema())
        with delta.explained(where):
            if pa.table(table.deletion_vectors()).num_rows:
                raise SourceError(
                    f"{where.text}: has deletion vectors, which are not supported; remove them with REORG "
                    "TABLE ... APPLY (PURGE)"
                )
            self._files = files_of(table)
        if elsewhere := [file.path for file in self._files if "://" in file.path or file.path[0] == "/"]:
            raise SourceError(f"{where.text}: is a shallow clone ({elsewhere[0]}); name the table it is of")

    def __len__(self) -> int:
        """The number of files."""
        return len(self._files)

    def batches(
        self, files: pafs.FileSystem, columns: Sequence[str], most: int
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The path of a file, and up to ``most`` of its rows with ``columns``. The files come in the order in
        which they were written, and the rows in the order of the file. ``files``: those of the table.

        Raises ``SourceError`` if a file cannot be read, ``UnreachableError`` if the store does not answer.
        """
        for file in self._files:
            with self._errors(file.path):
                parquet = pq.ParquetFile(
                    files.open_input_file(file.path), coerce_int96_timestamp_unit="us", pre_buffer=False
                )
            with parquet:
                there = [name for name in columns if name in parquet.schema_arrow.names]
                parts = parquet.iter_batches(most, columns=there, use_threads=False)
                while True:
                    with self._errors(file.path):
                        part = next(parts, None)
                        completed = None if part is None else self._completed(part, file, columns)
                    if completed is None:
                        break
                    yield file.path, completed

    def _completed(self, part: pa.RecordBatch, file: TableFile, columns: Sequence[str]) -> pa.RecordBatch:
        """The rows with the columns that the file does not hold, and with the types of the table."""
        fields = [self.schema.field(name) for name in columns]
        found = []
        for field in fields:
            if field.name in part.schema.names:
                # Spark writes times without a zone (INT96), and the log knows that they are in UTC.
                found.append(part.column(field.name).cast(field.type, safe=False))
            elif field.name in file.values:
                found.append(pa.repeat(file.values[field.name], len(part)).cast(field.type))
            else:
                found.append(pa.nulls(len(part), field.type))
        return pa.RecordBatch.from_arrays(found, names=list(columns))

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            with delta.explained(self._where):
                yield
        except FileNotFoundError:
            raise SourceError(f"{self._where.text}: the file {path} is no longer there") from None
        except pa.ArrowException:
            raise SourceError(f"{self._where.text}: {path} is not a whole Parquet file") from None
