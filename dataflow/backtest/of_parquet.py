"""Scored rows in Parquet files."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.errors import SourceError
from dataflow.settings import of_metadata

#: So many rows are read at a time: 13 MB of embeddings of 384 dimensions.
BATCH_ROWS = 8_192


class ParquetRows:
    """The rows of a Parquet file, of a folder of them, or of a folder that has ``scores.parquet``.

    ``name``: the first file. ``files``: all of them. ``folder``: where other output of the same run may be.
    ``schema``: of all files. ``made_by``: what all files say of the settings. Raises ``SourceError``.
    """

    def __init__(self, path: Path) -> None:
        self.files = _files(path)
        self.name = str(self.files[0])
        self.folder = str(path if (path / "scores.parquet").exists() else path.parent)
        schemas, rows = [], 0
        for each in self.files:
            with read_errors(each), pq.ParquetFile(each) as file:
                schemas.append(file.schema_arrow)
                rows += file.metadata.num_rows
        for each, schema in zip(self.files, schemas, strict=True):
            if not schema.remove_metadata().equals(schemas[0].remove_metadata()):
                raise SourceError(f"{each}: has other columns than {self.files[0]}; name files of one run")
        if not rows:
            raise SourceError(f"{path}: has no rows; record a flow until it has scored events")
        self.schema = schemas[0]
        said = [of_metadata(schema.metadata) for schema in schemas]
        self.made_by = said[0] if all(each == said[0] for each in said) else None

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See :meth:`Recorded.batches`."""
        for path in self.files:
            with read_errors(path), pq.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH_ROWS, columns=list(columns))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    folder = path / "scores.parquet" if (path / "scores.parquet").is_dir() else path
    if (path / "scores.parquet").is_file():
        return [path / "scores.parquet"]
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise SourceError(f"{folder}: has no Parquet files; name the folder of sink.scores=file:....parquet")
    return files


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn an error of reading the Parquet file ``path`` into a ``SourceError``, one line."""
    try:
        yield
    except pa.ArrowException:
        raise SourceError(f"{path}: not a whole Parquet file") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "not a whole Parquet file"
        raise SourceError(f"{path}: cannot be read: {why}") from None
