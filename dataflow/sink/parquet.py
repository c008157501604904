"""A folder of Parquet files: one file for each snapshot interval in which rows came.

Nobody can read an unfinished Parquet file. So the sink keeps the rows of an interval in memory, and the
snapshot writes them to one file, whose name has the next number. The state is the number of files: a resume
removes the files after that number, and the replay writes them again. So ``close`` may write the rows that
no snapshot has written, too. The metadata of each file say which settings made its rows.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.sink.paths import write_errors


class ParquetSink(FixedPartitionedSink[pa.RecordBatch, int]):
    """One partition, so only one of all workers writes the folder. The folder must exist.

    ``metadata``: what each file says beside its rows.
    """

    def __init__(self, folder: str, metadata: Mapping[bytes, bytes]) -> None:
        self._folder, self._metadata = folder, metadata

    def list_parts(self) -> list[str]:
        return [self._folder]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_ParquetPartition":
        return _ParquetPartition(Path(self._folder), self._metadata, resume_state or 0)


class _ParquetPartition(StatefulSinkPartition[pa.RecordBatch, int]):
    def __init__(self, folder: Path, metadata: Mapping[bytes, bytes], files: int) -> None:
        self._folder, self._metadata, self._files = folder, metadata, files
        self._waiting: list[pa.RecordBatch] = []
        with write_errors(folder):
            for path in folder.glob("part-*.parquet"):
                if path.name >= self._name(files):
                    path.unlink()

    def _name(self, number: int) -> str:
        return f"part-{number:08d}.parquet"

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        self._waiting += [batch for batch in values if batch.num_rows]

    def snapshot(self) -> int:
        if self._waiting:
            with write_errors(self._folder):
                self._write(self._folder / self._name(self._files))
            self._files += 1
            self._waiting = []
        return self._files

    def close(self) -> None:
        # Without a recovery store, these rows never come again. With a store, a resume removes the file.
        self.snapshot()

    def _write(self, path: Path) -> None:
        rows = pa.Table.from_batches(self._waiting).replace_schema_metadata(self._metadata)
        with open(path.with_suffix(".unfinished"), "wb") as file:
            pq.write_table(rows, file, use_dictionary=_repeating(rows.schema))
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".unfinished").rename(path)


def _repeating(schema: pa.Schema) -> list[str]:
    """The columns where values come again. A dictionary of embeddings takes longer to read: three times."""
    return [field.name for field in schema if not pa.types.is_nested(field.type)]
