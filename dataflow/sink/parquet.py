"""A folder of Parquet files, one for each snapshot interval in which rows came.

A Parquet file is nothing until it is finished, so the rows of an interval are kept in memory and
written at its snapshot, whole, under a name that counts up. The state is the number of files: a
resume removes those after it, and the replay writes them again. So ``close`` may write what waits, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflow.errors import SourceError


@contextmanager
def failing(path: str | Path) -> Iterator[None]:
    """Makes one line of what the operating system refuses: ``SourceError``."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise SourceError(
            f"{path}: cannot be written: {why}; make room or mend that, and start again"
        ) from None


class ParquetSink(FixedPartitionedSink[pa.RecordBatch, int]):
    """One partition, so one worker of all writes. The folder must be there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def list_parts(self) -> list[str]:
        return [self._folder]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_ParquetPartition":
        return _ParquetPartition(Path(self._folder), resume_state or 0)


class _ParquetPartition(StatefulSinkPartition[pa.RecordBatch, int]):
    def __init__(self, folder: Path, files: int) -> None:
        self._folder, self._files = folder, files
        self._waiting: list[pa.RecordBatch] = []
        with failing(folder):
            for path in folder.glob("part-*.parquet"):
                if path.name >= self._name(files):
                    path.unlink()

    def _name(self, number: int) -> str:
        return f"part-{number:08d}.parquet"

    def write_batch(self, values: list[pa.RecordBatch]) -> None:
        self._waiting += [batch for batch in values if batch.num_rows]

    def snapshot(self) -> int:
        if self._waiting:
            with failing(self._folder):
                self._write(self._folder / self._name(self._files))
            self._files += 1
            self._waiting = []
        return self._files

    def close(self) -> None:
        # Without a recovery store nothing comes again; with one, a resume removes this file.
        self.snapshot()

    def _write(self, path: Path) -> None:
        with open(path.with_suffix(".unfinished"), "wb") as file:
            pq.write_table(pa.Table.from_batches(self._waiting), file)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".unfinished").rename(path)
