"""Recorded rows: the scored rows that a flow wrote with ``sink.embeddings``, in Parquet files."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.endpoints.uri import parse_uri
from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import SCORED
from dataflow.settings import Provenance, of_metadata

#: So many rows are read at a time: 13 MB of embeddings of 384 dimensions.
_BATCH_ROWS = 8_192


@dataclass(frozen=True)
class Recorded:
    """Files of scored rows. ``folder``: where other output of the same run may be. ``made_by``: the settings
    that made the rows; ``None``: not all files say the same, or none says it.
    """

    files: Sequence[Path]
    folder: Path
    schema: pa.Schema
    made_by: Provenance | None

    @property
    def dim(self) -> int:
        """The number of dimensions of the embeddings."""
        found: int = self.schema.field("embedding").type.list_size
        return found

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns of all rows, in the order in which the rows were written. Raises ``SourceError``."""
        for path in self.files:
            with read_errors(path), pq.ParquetFile(path) as file:
                yield from file.iter_batches(_BATCH_ROWS, columns=list(columns))


def open_recorded(uri: str) -> Recorded:
    """The rows at ``uri``: ``file:`` and the path of a Parquet file, of a folder of Parquet files, or of a
    folder that has ``scores.parquet``. Raises ``SettingsError`` or ``SourceError``.
    """
    path, files = _files(uri)
    schemas, rows = [], 0
    for each in files:
        with read_errors(each), pq.ParquetFile(each) as file:
            schemas.append(file.schema_arrow)
            rows += file.metadata.num_rows
    needed = [*SCORED.names, "embedding"]
    for each, schema in zip(files, schemas, strict=True):
        if missing := [name for name in needed if name not in schema.names]:
            raise SourceError(f"{each}: has no column {missing[0]!r}; {_advice(missing[0])}")
        if not schema.remove_metadata().equals(schemas[0].remove_metadata()):
            raise SourceError(f"{each}: has other columns than {files[0]}; name files of one run")
    if not rows:
        raise SourceError(f"{path}: has no rows; record a flow until it has scored events")
    said = [of_metadata(schema.metadata) for schema in schemas]
    same = said[0] if all(each == said[0] for each in said) else None
    return Recorded(files, path if (path / "scores.parquet").exists() else path.parent, schemas[0], same)


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


def _files(uri: str) -> tuple[Path, list[Path]]:
    parsed = parse_uri(uri)
    if parsed.scheme == "delta":
        raise SettingsError(f"{uri}: a Delta table cannot be read yet; name a folder of Parquet files")
    if parsed.scheme != "file" or parsed.authority not in ("", "localhost") or not parsed.path:
        raise SettingsError(f"{uri}: write file:PATH of Parquet files")
    parsed.allow()
    path = Path(parsed.path)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    if path.is_file():
        return path, [path]
    folder = path / "scores.parquet" if (path / "scores.parquet").is_dir() else path
    if (path / "scores.parquet").is_file():
        return path, [path / "scores.parquet"]
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise SourceError(f"{folder}: has no Parquet files; name the folder of sink.scores=file:....parquet")
    return path, files


def _advice(column: str) -> str:
    if column == "embedding":
        return "run the flow with sink.embeddings = true"
    return "name the files of sink.scores"
